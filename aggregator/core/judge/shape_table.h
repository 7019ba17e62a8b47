#pragma once

#include <array>
#include <span>
#include <vector>

#include "aggregator/core/judge/spread.h"

// Plausible latency distributions of a canary, made from the baseline's histogram: the same shifted
// (as hosts differ, as a process warms up, or by more), with its tail stretched, or with a slow
// mode (timeouts, retries, a lock).

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
  static constexpr size_t kNear = 17;  ///< -4 … 4 spreads in steps of a half
  static constexpr size_t kFar = 11, kShifts = kNear + kFar;
  static constexpr size_t kTails = 21, kModes = 20, kKinds = kTails + kModes;

  /// `centre`, `s` on the scale of log latency; `margin`: slower by this is not worth a rollback;
  /// `warmup`: log latency that a new process may lose to warming up, at most.
  ShapePlan(double centre, double s, double degrees, double margin, double warmup);

  [[nodiscard]] double centre() const { return centre_; }
  [[nodiscard]] double s() const { return s_; }
  [[nodiscard]] double step() const { return 0.5 * s_; }
  /// Shifts against the centre; kNear even ones, then larger ones.
  std::array<double, kShifts> shift{}, null_weight{}, worse_weight{};
  std::array<double, kKinds> kind_weight{};
  /// How much of the warm-up margin a canary makes use of, 0 … 1, in steps that no host's own
  /// spread can tell apart. One entry, 0, without a margin.
  std::vector<double> amplitude, amplitude_weight;

 private:
  double centre_, s_;
};

/// Ratios to the baseline by bucket, one row a shape: shifts along an axis, or tails and modes at
/// one shift.
class ShapeTable {
 public:
  explicit ShapeTable(const BucketRange& range);

  /// `baseline`: probabilities by bucket, each at least kLeast.
  void learn(std::span<const double> baseline);
  /// One row for each of `shifts`, absolute log latencies.
  void build_shifts(std::span<const double> shifts);
  /// kKinds rows: tails, then modes, of the baseline shifted by `own`.
  void build_kinds(double own);

  [[nodiscard]] size_t rows() const { return rows_; }
  [[nodiscard]] std::span<const double> ratio(size_t row) const {
    return std::span(ratio_).subspan(row * range_.count, range_.count);
  }
  [[nodiscard]] std::span<const double> log_ratio(size_t row) const {
    return std::span(log_ratio_).subspan(row * range_.count, range_.count);
  }

  static constexpr double kLeast = 1e-7;

 private:
  [[nodiscard]] double below(double log_seconds) const;
  template <class Cdf>
  void add(const Cdf& cdf);

  BucketRange range_;
  size_t rows_ = 0;
  std::vector<double> baseline_, cumulative_, ratio_, log_ratio_;
  std::vector<double> upper_;                  // bounds of the buckets, log seconds
  std::vector<std::vector<double>> unslowed_;  // by mode: the bound less the mode's seconds
};

/// Log e-value of one step for each row: counts by bucket of canary and baseline, of which only
/// `filled` ones are looked at. Fair whatever the common distribution is.
void weigh(const ShapeTable& table, std::span<const double> canary,
           std::span<const double> baseline, std::span<const size_t> filled, double canary_share,
           std::span<double> gain);

}  // namespace serin::judge
