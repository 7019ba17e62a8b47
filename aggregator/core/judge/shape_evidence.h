#pragma once

#include <array>
#include <span>
#include <vector>

#include "aggregator/core/judge/shape_table.h"

// The likelihood ratio of "worse" to "as hosts differ, and as a new process warms up" over whole
// histograms.
//
// What warming up costs is not known: anything from nothing to the whole margin. Taking it for the
// whole margin would let a canary that needs no warm-up look too good for a minute, and would leave
// its regression undetected as long. So the null is the best of all amplitudes, in steps that the
// spread between hosts hides, and "worse" is their mean. Tails and slow modes, which no
// proportional slow-down can cause, are placed at the shift that the null itself expects from the
// steps before.

namespace serin::judge {

class ShapeEvidence {
 public:
  ShapeEvidence(const BucketRange& range, const ShapePlan& plan);

  /// Forgets all evidence.
  void begin();
  /// The usual distribution from now on: probabilities by bucket.
  void learn(std::span<const double> baseline);
  /// Counts by bucket, of which only `filled` ones are looked at; both cohorts have some. `fade`:
  /// log latency that warming up may cost in this step; `temper` <= 1: what a request of this step
  /// tells about the course over time. Whether anything worse gained.
  bool step(std::span<const double> canary, std::span<const double> baseline,
            std::span<const size_t> filled, double canary_share, double fade, double temper);
  /// Log likelihood ratio since begin().
  [[nodiscard]] double log_ratio() const { return log_ratio_; }

  [[nodiscard]] const ShapePlan& plan() const { return plan_; }

 private:
  static constexpr size_t kShifts = ShapePlan::kShifts, kKinds = ShapePlan::kKinds;
  using Row = std::array<double, kShifts>;  // log likelihoods of the shifts at one amplitude

  void build_axis(double fade);
  [[nodiscard]] double gain_at(double shift) const;
  bool advance_shifts(double fade, double temper);
  void place_kinds(double fade);
  void weigh_up();
  [[nodiscard]] double tempered_shift_ratio() const;

  ShapePlan plan_;
  ShapeTable shifts_, kinds_;
  // Axis of shifts against the centre: steps of s/2 up to 4 s, even ones over the warm-up margin,
  // then ever larger ones.
  std::vector<double> axis_, axis_gain_, absolute_;
  double axis_fade_ = 0, axis_step_ = 0;
  size_t axis_even_ = 0;
  bool axis_due_ = true, kinds_due_ = true;
  double kinds_at_ = 0;

  std::vector<Row> rows_;      // by amplitude
  std::vector<Row> tempered_;  // the same
  size_t rows_used_ = 1;  // 1 while there was no margin in this epoch: all amplitudes are the same
  std::array<double, kKinds> kinds_sum_{}, kinds_gain_{};
  double log_ratio_ = 0, expected_shift_ = 0, expected_amplitude_ = 0;
};

}  // namespace serin::judge
