#pragma once

#include <array>
#include <optional>

#include "aggregator/core/judge/count_plan.h"

// Has the level of a gauge risen? The unit is the host: deviation of the canary from its own past
// and from the fleet of the same 10 s, averaged. Random-effects e-process as for counts, with a
// normal likelihood of the running mean.

namespace serin::judge {

struct LevelNull {
  double s_slow = 0.05;  ///< sd of a host's level over the watch, log scale
  double s_fast = 0.05;  ///< sd of one block
  double degrees = 4;
};

class LevelTest {
 public:
  static constexpr double kBlockSeconds = 10;

  LevelTest(const LevelNull& null, double margin, double alpha);

  /// Deviation in one block, log scale, known warm-up subtracted.
  void block(double deviation);

  [[nodiscard]] bool fired() const { return fired_; }
  [[nodiscard]] double log_evidence() const { return fired_ ? std::max(at_firing_, now_) : now_; }
  [[nodiscard]] double threshold() const { return threshold_; }
  /// Mean deviation of the current stretch; absent before its first block.
  [[nodiscard]] std::optional<double> mean() const;
  /// Interval that covers the deviation of the current stretch at all its looks together, log
  /// scale: with probability 0.95 in the first stretch, 0.975 in the next, and so on. From the
  /// likelihood of the mean against a normal mixture (Robbins 1970).
  struct Interval {
    double low = 0, high = 0;
  };
  [[nodiscard]] std::optional<Interval> interval() const;
  /// Whether a deviation of this size would have crossed by now.
  [[nodiscard]] bool would_see(double deviation) const;

 private:
  static constexpr size_t kGrid = CountPlan::kGrid;
  [[nodiscard]] double precision(double blocks) const;
  [[nodiscard]] double ratio(double mean, double blocks) const;

  LevelNull null_;
  std::array<double, kGrid> v_, null_weight_, worse_weight_;
  double threshold_, blocks_ = 0, sum_ = 0, now_ = 0, at_firing_ = 0;
  int stretch_ = 0;
  bool fired_ = false;
};

}  // namespace serin::judge
