#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "schema/messages.h"

namespace serin::agent {

/// Gathers what named metrics say of requests until the next flush, per span. Amounts may be
/// fractions (sample rates): whole requests are handed on, the rest is carried over.
///
/// Metrics of one request do not arrive together. Where requests have durations, those whose
/// duration has not come yet wait for it until the next flush. A failure or duration that comes
/// before its request is counted as one at once, and the request's own count, when it comes, only
/// pays for that. So no interval ever holds more failures or durations than requests, and in the
/// long run all agree.
class RequestLane {
 public:
  static constexpr int kMostOwedFlushes = 60;  ///< a count that did not come by then never will

  struct Setting {
    bool counts_requests = false;  ///< by a metric of their own
    bool has_durations = false;
    std::optional<double> slo_seconds;
  };
  /// What was flushed for one span.
  struct Flushed {
    uint32_t span = 0;
    RequestMetrics requests;
  };

  explicit RequestLane(Setting setting) : setting_(setting) {}

  void add_requests(uint32_t span, double count) { of(span).requests += count; }
  void add_errors(uint32_t span, double count) { of(span).errors += count; }
  /// Requests that ended with `503` or `5xx`; with any other text they are requests of no kind.
  void add_status(uint32_t span, std::string_view status, double count);
  void add_latency(uint32_t span, double seconds, double count);

  /// What there is, and begins anew. `now`: the span that runs.
  std::vector<Flushed> flush(uint32_t now);

 private:
  struct Part {
    uint32_t span = 0;
    double requests = 0;
    double errors = 0, aborted = 0, limited = 0, client = 0;
    ExpHistogram latency;
    uint64_t slow = 0;
    uint64_t waited = 0;  ///< requests of the flush before
  };
  /// Takes fractions, gives whole numbers.
  struct Whole {
    double rest = 0;
    uint64_t take(double amount);
  };
  Part& of(uint32_t span);
  RequestMetrics settled(const Part& part, uint32_t now);
  uint64_t settle(uint64_t own, uint64_t due, uint64_t shown);

  Setting setting_;
  std::vector<Part> parts_;
  Whole requests_, errors_, aborted_, limited_, client_, durations_;
  uint64_t waiting_ = 0;  ///< requests of waiting_span_ whose duration may still come
  uint32_t waiting_span_ = 0;
  uint64_t owed_ = 0;  ///< requests handed on that their own count has still to show
  int owed_flushes_ = 0;
};

}  // namespace serin::agent
