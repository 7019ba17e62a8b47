#pragma once

#include <memory>
#include <span>
#include <vector>

#include "aggregator/core/judge/metric.h"

namespace serin::judge {

/// Of a metric that `options.trust` does not name: fully trusted. The whole histogram is not tried
/// on untouched hosts; it is trusted as the least trusted of the latency edges is.
Trust trust_of(const Options& options, std::string_view metric);

/// The metrics that the history shows, each with its share of alpha; errors come first.
/// Only slopes, where the options ask for those.
/// `latency_comes`: there are latencies, although there is no history that shows any.
std::vector<std::unique_ptr<Family>> make_families(const Options& options,
                                                   std::span<const HostHistory> history,
                                                   bool latency_comes = false);

}  // namespace serin::judge
