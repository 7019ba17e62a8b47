#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/request/class_rules.h"
#include "agent/request/request_lane.h"
#include "agent/request/tally.h"
#include "common/service_file.h"

namespace serin::agent {

/// Gathers what named metrics say of requests and business until the next poll, per span: requests
/// by a lane for all of them, and one for each class, which is a part of the whole and never more,
/// whatever lacks its label.
class MetricBatch {
 public:
  MetricBatch(const ServiceFile& service, size_t index);

  [[nodiscard]] const ClassRules& classes() const { return classes_; }
  // `class_index`: by classes(); of no effect without classes.
  void add_requests(uint32_t span, double count, size_t class_index = 0);
  void add_errors(uint32_t span, double count, size_t class_index = 0);
  /// Requests that ended with `503` or `5xx`; with any other text they are requests of no kind.
  void add_status(uint32_t span, std::string_view status, double count, size_t class_index = 0);
  void add_latency(uint32_t span, double seconds, double count, size_t class_index = 0);
  void add_business(uint32_t span, size_t counter, double amount);
  void set_level(size_t counter, double level) { levels_[counter] = level; }
  void change_level(size_t counter, double by) {
    levels_[counter] = levels_[counter].value_or(0) + by;
  }

  /// Hands everything to `tallies` and begins anew; levels stay. `now`: the span that runs.
  void flush(uint32_t now, Tallies& tallies);

 private:
  struct Business {
    uint32_t span = 0;
    std::vector<double> amounts;
  };
  void flush_class(size_t index, uint32_t now, std::vector<RequestLane::Flushed>& left,
                   Tallies& tallies);

  ClassRules classes_;
  RequestLane all_;
  std::vector<RequestLane> lanes_;  ///< by class
  std::vector<Business> business_;
  std::vector<std::optional<double>> levels_;
};

}  // namespace serin::agent
