#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/judge/placebo.h"

// What the placebos of one service have shown of each metric, and what follows from it: a metric
// that fires on untouched hosts more often than it may has its spread widened and becomes advisory;
// after an hour without that it decides again, and later hours take the widening back step by step.

namespace serin::judge {

/// The record of one metric.
struct PlaceboRecord {
  std::string metric;
  uint64_t runs = 0, fired = 0;            ///< since the book was opened
  uint64_t runs_hour = 0, fired_hour = 0;  ///< that ended within the last hour
  uint64_t hosts_hour = 0, hosts_fired_hour = 0;
  double widening = 1;
  bool advisory = false;
  std::string why;  ///< of an advisory metric, in words
};

/// A metric is trusted more or less than before.
struct TrustChange {
  std::string metric;
  double widening = 1;
  bool advisory = false;
  int64_t at_seconds = 0;
  std::string why;
};

class PlaceboBook {
 public:
  static constexpr int64_t kHourSeconds = 3600;
  static constexpr double kWiden = 1.5;
  static constexpr int kMostSteps = 6;    ///< x 11: wider than that it would not see anything
  static constexpr double kShare = 0.02;  ///< of runs may fire, and always one
  static constexpr int64_t kTogetherSeconds =
      30;  ///< what fires within it is one event of the fleet

  /// A run that ended at `at_seconds` (never before an earlier one); its round began at
  /// `round_seconds`.
  void ended(const PlaceboRun& run, int64_t round_seconds, int64_t at_seconds);
  /// Once per step, after the runs that ended with it: what changes by it.
  [[nodiscard]] std::vector<TrustChange> settle(int64_t at_seconds);
  /// What was recorded before holds.
  void adopt(const TrustChange& change);

  /// By metric.
  [[nodiscard]] std::vector<PlaceboRecord> records(int64_t at_seconds) const;
  /// For a battery: metrics that are not fully trusted.
  [[nodiscard]] std::vector<Trust> trust() const;

 private:
  struct Trial {
    int64_t at = 0;
    uint32_t host = 0;
    std::optional<int64_t> fired;
  };
  struct Metric {
    std::deque<Trial> trials;  // of the last hour, by their end
    uint64_t runs = 0, fired = 0;
    int steps = 0;
    bool advisory = false;
    int64_t changed = INT64_MIN;
    std::string why;
  };
  struct Tally {
    size_t runs = 0, events = 0;
  };
  static Tally tally(const Metric& metric);
  static std::optional<TrustChange> judge(const std::string& name, Metric& metric, int64_t at);

  std::map<std::string, Metric> metrics_;
};

}  // namespace serin::judge
