#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/exp_histogram.h"

// How long requests take in the simulated world: 50 ms in the middle, p99 240 ms, p99.9 780 ms, by
// the buckets of ExpHistogram.

namespace serin::bench {

enum class LatencyShape {
  usual,
  slow_tail,  ///< the slowest 1.5 % take twice as long
  bimodal,    ///< 2 % of requests take a second longer
};

/// Share of requests below `log_ms`.
double latency_cdf(LatencyShape shape, double log_ms);

/// Shares of requests per bucket, for every shift of log latency on a fine grid. Built once.
class LatencyLaw {
 public:
  static constexpr int32_t kLowest = -80;  ///< bucket that ends near 1 ms: all faster ones too
  static constexpr size_t kBuckets = 128;  ///< up to 64 s
  static constexpr double kLeastShift = -0.6, kShiftStep = 0.005;
  static constexpr size_t kShifts = 641;

  static const LatencyLaw& of(LatencyShape shape);

  /// Nearest grid point; shifts beyond the grid are clipped to [-0.6, 2.6].
  static size_t shift_index(double log_shift);
  [[nodiscard]] std::span<const double> shares(size_t shift_index) const {
    return {shares_.data() + shift_index * kBuckets, kBuckets};
  }

 private:
  explicit LatencyLaw(LatencyShape shape);
  std::vector<double> shares_;
};

}  // namespace serin::bench
