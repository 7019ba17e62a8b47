#pragma once

#include <cstdint>

namespace serin::agent {

/// Decides how often all sockets of a service are looked at: each second where that is cheap, less
/// often where it would cost more than the budget, and at least each 10 s, as the levels of an
/// older look would be taken for those of now. Pure; times are CLOCK_BOOTTIME µs.
class SocketPace {
 public:
  static constexpr uint64_t kFastestUs = 1'000'000, kSlowestUs = 10'000'000;
  /// A look that told nothing because there was too much to tell is not worth 10 s.
  static constexpr uint64_t kInVainUs = 60'000'000;

  [[nodiscard]] bool is_due(uint64_t now_us) const;
  /// A look took that much CPU time; the budget is what looks may take of each second.
  void looked(uint64_t now_us, uint64_t cost_ns, uint64_t budget_ns);
  /// It took that and told nothing.
  void looked_in_vain(uint64_t now_us);
  [[nodiscard]] uint64_t period_us() const { return period_us_; }

 private:
  uint64_t last_us_ = 0, period_us_ = 0;
  uint64_t cost_ns_ = 0;  ///< rises at once, falls slowly: a lull between two bursts is no sign
};

}  // namespace serin::agent
