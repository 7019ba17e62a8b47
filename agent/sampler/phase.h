#pragma once

#include <cstdint>

#include "schema/messages.h"

namespace serin::agent {

/// What a service is doing (CONTRACTS §4). From a start until the first request that the service
/// itself answers it is `starting`, for at most 30 s; then `not_serving` if requests fail, else
/// `serving` (it may just have no traffic). Without a request source a running process is
/// `serving`. Pure; times are CLOCK_BOOTTIME µs.
class PhaseTracker {
 public:
  static constexpr uint64_t kStartingUs = 30'000'000;

  explicit PhaseTracker(bool has_requests) : has_requests_(has_requests) {}

  /// A process that began at `start_us`. Called late (when the agent itself starts), it may be
  /// serving already.
  void started(uint64_t start_us, uint64_t now_us);
  void ended() { phase_ = Phase::down; }
  /// What the running generation did in the interval that ends now; its phase in that interval.
  Phase observe(uint64_t now_us, uint64_t answered, uint64_t failed);
  [[nodiscard]] Phase phase() const { return phase_; }

 private:
  bool has_requests_;
  Phase phase_ = Phase::down;
  uint64_t start_us_ = 0;
};

}  // namespace serin::agent
