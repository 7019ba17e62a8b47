#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/exp_histogram.h"

// Other ways to judge the same seconds, as they are shipped: what Serin is measured against. Each
// tells when it would have put the version back.

namespace serin::bench {

/// What a cohort served: in one second, one minute, or so far.
struct Cohort {
  uint64_t requests = 0, errors = 0;
  ExpHistogram latency;

  void add(const Cohort& more);
};

/// Whether Kayenta's judge calls the canary High: the lower end of Mann and Whitney's 98 % interval
/// of the shift exceeds a quarter of the shift's own estimate (MannWhitneyClassifier.scala). Pairs
/// of equal length.
bool mann_whitney_high(const std::vector<double>& canary, const std::vector<double>& baseline);

class Rivals {
 public:
  explicit Rivals(double watch_seconds);

  void second(const Cohort& canary, const Cohort& baseline);

  /// Seconds since the deploy; absent: never.
  struct Times {
    std::optional<double> kayenta_end;     ///< error rate, p50, p90, p99 by the minute, at the end
    std::optional<double> kayenta_peeked;  ///< the same, looked at every minute from the fifth on
    std::optional<double> flagger;  ///< 1 % errors or a p99 of 500 ms, in five minutes on end
    std::optional<double> argo;     ///< 5 % errors over five minutes, more than three times
    std::optional<double> z;        ///< a z-test at 1 % every second, errors and four latencies
  };
  [[nodiscard]] const Times& times() const { return times_; }

 private:
  static constexpr size_t kMetrics = 4;
  void minute();
  void kayenta();
  void fixed_limits();
  void z_test();

  double watch_seconds_, second_ = 0;
  Cohort canary_minute_, baseline_minute_, five_minutes_, canary_, baseline_;
  std::array<std::vector<double>, kMetrics> canary_series_, baseline_series_;
  int bad_minutes_ = 0, bad_fives_ = 0;
  Times times_;
};

}  // namespace serin::bench
