#pragma once

#include <array>

#include "aggregator/core/judge/count_plan.h"

// One-sample e-process against "the canary's own bad share is at most `limit`": 0.001
// % turning into 0.003 % is nobody's problem. Start-time mixture over the same alternatives as the
// boundary processes.

namespace serin::judge {

class FloorTest {
 public:
  /// `limit` 0: always above the floor.
  FloorTest(double limit, double seconds_per_step, double horizon_seconds);

  void step(double requests, double bad);
  /// Highest log evidence so far.
  [[nodiscard]] double highest() const { return highest_; }

 private:
  static constexpr size_t kAlternatives = CountPlan::kAlternatives;
  double prior_ = 0, rest_ = 0, highest_ = 0;
  std::array<double, kAlternatives> sum_{}, bad_gain_{}, good_gain_{};
};

}  // namespace serin::judge
