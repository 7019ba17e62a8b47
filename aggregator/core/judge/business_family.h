#pragma once

#include "aggregator/core/judge/count_family.h"

// Counters of the business: orders, logins, bytes sold. Per request, compared like errors. Where
// less is worse, the requests without one are counted; a counter that can exceed the requests is
// compared by its own total.

namespace serin::judge {

/// A family for each of these counters that the history shows.
std::vector<std::unique_ptr<Family>> make_business_families(const Options& options, double alpha,
                                                            std::span<const HostHistory> history);
/// How many of them it shows.
size_t business_counters_in(const Options& options, std::span<const HostHistory> history);

}  // namespace serin::judge
