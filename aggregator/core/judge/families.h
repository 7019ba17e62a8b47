#pragma once

#include <memory>
#include <span>
#include <vector>

#include "aggregator/core/judge/metric.h"

namespace serin::judge {

/// The metrics that the history shows, each with its share of alpha; errors come first.
std::vector<std::unique_ptr<Family>> make_families(const Options& options,
                                                   std::span<const HostHistory> history);

}  // namespace serin::judge
