#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/request/tally.h"
#include "common/service_file.h"

namespace serin::agent {

/// Gathers what named metrics say of requests until the next poll, per span. Amounts may be
/// fractions (sample rates, sums of money): whole requests are handed on, the rest is carried over.
///
/// Metrics of one request do not arrive together. Where requests have durations, those whose
/// duration has not come yet wait for it until the next flush. A failure or duration that comes
/// before its request is counted as one at once, and the request's own count, when it comes, only
/// pays for that. So no interval ever holds more failures or durations than requests, and in the
/// long run all agree.
class MetricBatch {
 public:
  static constexpr int kMostOwedFlushes = 60;  ///< a count that did not come by then never will

  MetricBatch(const ServiceFile& service, size_t index);

  void add_requests(uint32_t span, double count) { of(span).requests += count; }
  void add_errors(uint32_t span, double count) { of(span).errors += count; }
  /// Requests that ended with `503` or `5xx`; with any other text they are requests of no class.
  void add_status(uint32_t span, std::string_view status, double count);
  void add_latency(uint32_t span, double seconds, double count);
  void add_business(uint32_t span, size_t counter, double amount);
  void set_level(size_t counter, double level) { levels_[counter] = level; }
  void change_level(size_t counter, double by) {
    levels_[counter] = levels_[counter].value_or(0) + by;
  }

  /// Hands everything to `tallies` and begins anew; levels stay. `now`: the span that runs.
  void flush(uint32_t now, Tallies& tallies);

 private:
  struct Part {
    uint32_t span = 0;
    double requests = 0;
    double errors = 0, aborted = 0, limited = 0, client = 0;
    ExpHistogram latency;
    uint64_t slow = 0;
    uint64_t waited = 0;  ///< requests of the flush before
    std::vector<double> business;
  };
  /// Takes fractions, gives whole numbers.
  struct Whole {
    double rest = 0;
    uint64_t take(double amount);
  };
  Part& of(uint32_t span);
  void hand_over(const Part& part, uint32_t now, Tally& tally);
  uint64_t settle(uint64_t own, uint64_t due, uint64_t shown);

  bool counts_requests_;  ///< by a metric of their own
  bool has_durations_;
  std::optional<double> slo_seconds_;
  std::vector<Part> parts_;
  std::vector<std::optional<double>> levels_;
  Whole requests_, errors_, aborted_, limited_, client_, durations_;
  uint64_t waiting_ = 0;  ///< requests of waiting_span_ whose duration may still come
  uint32_t waiting_span_ = 0;
  uint64_t owed_ = 0;  ///< requests handed on that their own count has still to show
  int owed_flushes_ = 0;
};

}  // namespace serin::agent
