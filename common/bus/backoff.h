#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace serin::bus {

/// Pauses between attempts: doubling up to a limit, each drawn from its upper half so that a fleet
/// does not come back in one instant.
class Backoff {
 public:
  using Pause = std::chrono::milliseconds;

  Backoff(Pause first, Pause longest, uint64_t seed)
      : first_(first), longest_(longest), next_(first), random_(seed) {}

  Pause next() {
    const auto whole = next_.count();
    next_ = std::min(next_ * 2, longest_);
    return Pause(std::uniform_int_distribution<Pause::rep>(whole / 2, whole)(random_));
  }
  void reset() { next_ = first_; }

 private:
  Pause first_, longest_, next_;
  std::mt19937_64 random_;
};

}  // namespace serin::bus
