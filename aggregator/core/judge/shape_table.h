#pragma once

#include <array>
#include <span>
#include <vector>

#include "aggregator/core/judge/spread.h"

// Plausible latency distributions of a canary, made from the baseline's histogram: the same shifted
// by what hosts differ in (the null), shifted by more, with its tail stretched, or with a slow mode
// (timeouts, retries, a lock).

namespace serin::judge {

/// Buckets of the exponential histogram that the engine looks at; what lies outside counts in the
/// end buckets.
struct BucketRange {
  int32_t low = 0;
  size_t count = 0;
  [[nodiscard]] size_t at(int32_t bucket) const;
  /// Lower bound of bucket low + i, log seconds.
  [[nodiscard]] double bound(double i) const;
};

/// Weights of the shapes under "as hosts differ" and under "worse". Fixed before the watch.
class ShapePlan {
 public:
  static constexpr size_t kNullShifts = 17;  ///< -4 … 4 spreads in steps of a half
  static constexpr size_t kShifts = 11, kTails = 9, kModes = 20, kNuisance = 5;
  static constexpr size_t kShapes = kNullShifts + kShifts + kNuisance * (kTails + kModes);

  /// `centre`, `s` on the scale of log latency; `margin`: slower by this is not worth a rollback.
  ShapePlan(double centre, double s, double degrees, double margin);

  [[nodiscard]] double centre() const { return centre_; }
  [[nodiscard]] double s() const { return s_; }
  std::array<double, kShapes> null_weight{}, worse_weight{};

 private:
  double centre_, s_;
};

/// Ratio of every shape to the baseline, by bucket.
class ShapeTable {
 public:
  ShapeTable(const BucketRange& range);

  /// `baseline`: probabilities by bucket, each at least kLeast. `offset`: log latency that warming
  /// up may cost now.
  void build(std::span<const double> baseline, const ShapePlan& plan, double offset);
  [[nodiscard]] std::span<const double> ratio(size_t shape) const {
    return std::span(ratio_).subspan(shape * range_.count, range_.count);
  }
  [[nodiscard]] std::span<const double> log_ratio(size_t shape) const {
    return std::span(log_ratio_).subspan(shape * range_.count, range_.count);
  }

  static constexpr double kLeast = 1e-7;

 private:
  [[nodiscard]] double below(double log_seconds) const;
  template <class Cdf>
  void add(size_t shape, std::span<const double> baseline, const Cdf& cdf);

  BucketRange range_;
  std::vector<double> cumulative_, ratio_, log_ratio_;
};

}  // namespace serin::judge
