#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "aggregator/api/live_view.h"

namespace serin::aggregator {

/// /metrics: what the fold and the shell count, in the text format of Prometheus. `answers`: HTTP
/// answers by status.
std::string metrics_text(const LiveView& view, const std::map<int, uint64_t>& answers);

}  // namespace serin::aggregator
