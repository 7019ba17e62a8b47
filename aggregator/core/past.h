#pragma once

#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/core/counter_book.h"
#include "aggregator/core/judge/battery.h"
#include "aggregator/core/track.h"
#include "schema/policy.h"

// What the policy and the past of hosts are to the judge.

namespace serin::core {

/// For a deploy with all of its alpha, in steps of 1 s, all metrics trusted.
/// `inflation`: the calibrated factor, which a policy may do without.
judge::Options judge_options(const Policy& policy, const CounterBook& counters, double inflation);

/// Holds the business counters that judge blocks point to.
using BusinessEntries = std::deque<std::vector<std::pair<std::string_view, double>>>;

judge::HostHistory::Block as_judged(const History::Block& block, int32_t index,
                                    const CounterBook& counters, BusinessEntries& entries);

}  // namespace serin::core
