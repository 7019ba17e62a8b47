#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/judge/level_test.h"
#include "aggregator/core/judge/metric.h"

// Gauges of the process, where the unit is the host and not the request: CPU per request, threads,
// file descriptors and connections by their level, memory and descriptors by their slope. Samples
// are gathered into blocks of 10 s.

namespace serin::judge {

enum class Gauge { cpu_per_request, rss_bytes, fds, threads, connections };

struct LeakSettings {
  double first_look_seconds = 120;  ///< age of the youngest host at the first look
  /// Until this age a slope only counts when it does not flatten: a filling cache slows down, a
  /// leak does not.
  double suspect_until_seconds = 0;
  double margin = 0;            ///< slope that nobody minds, a second
  double fills_in_seconds = 0;  ///< the room is what a slope of `margin` fills in this time
  double sd_floor = 0;          ///< of a host's slope, a second
};

struct GaugeSettings {
  Gauge gauge = Gauge::fds;
  std::string metric;
  double alpha = 0;
  std::optional<double> level_margin{};  ///< log scale; absent: the level says nothing (memory)
  /// Levels are compared as log(level + slack): a few more of what is counted are nobody's problem,
  /// and none at all is a level too. 0: only levels above 0 count.
  double slack = 0;
  std::optional<LeakSettings> leak{};
  double window_seconds = 600;
  double kept_windows = 3;  ///< of series: hosts that join may prolong a watch so far
  double step_seconds = 1;
  /// What `alpha` was inflated by. Slopes give it back: theirs is a test with few looks and exact
  /// tails, which has no slack to calibrate away.
  double inflation = 1;
  double widening = 1;    ///< of the spread, for a metric that fired on untouched hosts
  bool restarted = true;  ///< false: untouched hosts are judged, nothing warms up
};

class GaugeFamily final : public Family {
 public:
  GaugeFamily(GaugeSettings settings, std::span<const HostHistory> history);
  /// Whether enough hosts showed this gauge in the past.
  static bool present(const GaugeSettings& settings, std::span<const HostHistory> history);

  void observe(const StepView& view) override;
  void set_apart(const StepView& view, size_t row) override;
  [[nodiscard]] std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                             double alpha) override;
  [[nodiscard]] double alpha() const override { return settings_.alpha; }
  [[nodiscard]] bool covers(const Scope& scope) const override;

  [[nodiscard]] const GaugeSettings& settings() const { return settings_; }

  // What metrics read once a block has closed.
  /// Number of the last closed block; -1 before the first.
  [[nodiscard]] int64_t closed() const { return closed_; }
  /// Its mean over the hosts, and their least age at its start; absent unless each of them
  /// reported.
  struct Cohort {
    double mean = 0;       ///< of the gauge
    double deviation = 0;  ///< log scale, from each host's own past; 0 where one has none
    double least_age = 0;
  };
  [[nodiscard]] std::optional<Cohort> canary(const Scope& scope) const;
  [[nodiscard]] const std::optional<Cohort>& baseline() const { return baseline_; }
  /// Whether every one of these hosts has a past to be compared with.
  [[nodiscard]] bool known(const Scope& scope) const;
  /// Their level in the past, on a mean; 0 without one.
  [[nodiscard]] double usual(const Scope& scope) const;
  [[nodiscard]] LevelNull level_null(size_t canary_hosts) const;
  /// Slope over blocks [from, to), less `part` of the slope over [earlier, from).
  struct Stretch {
    int64_t from = 0, to = 0;
    double part = 0;
    int64_t earlier = 0;  ///< only read where `part` is not 0
  };
  /// Of the mean of the scope's hosts, a second; absent with too many gaps.
  [[nodiscard]] std::optional<double> slope(const Scope& scope, const Stretch& stretch) const;
  struct Slopes {
    double mean = 0, variance = 0;
    size_t hosts = 0;
  };
  /// Of the baseline's hosts.
  [[nodiscard]] Slopes baseline_slopes(const Stretch& stretch) const;

 private:
  struct Record {
    bool seen = false, baseline = false, reported = false;
    std::optional<double> past;             ///< mean of the log
    double value = 0, weight = 0, age = 0;  ///< of the open block
    double closed_value = 0, closed_age = 0;
    std::vector<double> series;  ///< by block, NaN where nothing was reported
  };
  /// Of the baseline's hosts that reported in the closed block and have a past.
  struct Sums {
    double mean = 0, deviation = 0, hosts = 0;
  };
  void add(Sums& sums, const Record& record, double sign) const;
  void use(const Sums& sums);
  [[nodiscard]] double log_of(double level) const;
  void learn(std::span<const HostHistory> history);
  void gather(const HostStep& step, bool baseline);
  void close();
  [[nodiscard]] const Record* find(uint32_t host) const;

  GaugeSettings settings_;
  double within_ = 0,
         moved_ = 0;  ///< variance of a block, and of a host's level between halves of the past
  size_t past_hosts_ = 0;
  size_t longest_;               ///< blocks that are kept for slopes
  std::vector<Record> records_;  // by host index
  int64_t open_ = -1, closed_ = -1;
  Sums all_;
  std::optional<uint32_t> apart_;  // a placebo: not one of the baseline for the moment
  std::optional<Cohort> baseline_;
};

}  // namespace serin::judge
