#pragma once

#include <cstdint>
#include <optional>

#include "agent/uplink/uplink.h"

namespace serin::agent {

/// When the helper is to hear that this host is cut off and the service fails: nothing was
/// acknowledged by the bus for 10 s, the version is younger than root's file says, and the service
/// is not well. Told every 15 s while that lasts. Only a hint: the helper looks itself, so what we
/// cannot see counts as not well. Pure; times are CLOCK_BOOTTIME µs.
class CutOff {
 public:
  static constexpr uint64_t kCutOffUs = 10'000'000;
  static constexpr uint64_t kHintEveryUs = 15'000'000;

  explicit CutOff(double within_seconds)
      : within_us_(static_cast<uint64_t>(within_seconds * 1e6)) {}

  struct Seen {
    uint64_t now_us = 0;
    Uplink::Stats uplink;
    std::optional<uint64_t> version_age_us;  ///< absent: no version is known
    bool well = false;                       ///< it answers requests
  };
  /// Once a second: whether to hint now.
  bool observe(const Seen& seen);
  [[nodiscard]] bool is_cut_off(uint64_t now_us) const {
    return heard_us_ && now_us - *heard_us_ >= kCutOffUs;
  }

 private:
  uint64_t within_us_;
  std::optional<uint64_t> heard_us_;  ///< the bus was there last, or we began
  std::optional<uint64_t> hinted_us_;
  uint64_t acked_ = 0;
};

}  // namespace serin::agent
