#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "agent/recorder/head.h"
#include "agent/request/class_rules.h"
#include "agent/request/tally.h"
#include "common/metric_selector.h"
#include "common/service_file.h"

namespace serin::agent {

/// What a service's file wants to know of its recorders.
struct RecorderRules {
  /// A metric is a counter by its name, or `requests` with the labels class and outcome (ok,
  /// server_error, client_error, aborted, limited).
  struct Business {
    size_t place = 0;  ///< in Tally::business
    std::vector<MetricSelector> metric;
  };
  std::vector<Business> business;
  std::optional<double> slo_seconds;
  ClassRules classes;  ///< by the label class: the application's own

  static RecorderRules of(const ServiceFile& service, size_t index);
};

/// Adds what was recorded between two readings of one file, each of RecorderHead::used_cells().
/// Returns the number of calls that named a class or counter that is not there. An error, and
/// nothing added, when a counter went back or jumped beyond what any host answers.
/// Whether a request was slower than the `slo` is known to within one bucket, 9 %.
Result<uint64_t> add_growth(const RecorderHead& head, std::span<const uint64_t> before,
                            std::span<const uint64_t> now, const RecorderRules& rules,
                            Tally& tally);

/// All requests of a reading.
uint64_t requests_in(const RecorderHead& head, std::span<const uint64_t> sums);

}  // namespace serin::agent
