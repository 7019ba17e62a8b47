#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/core/view.h"

// The words people read, in one place: API, CLI, page and alerts show these texts as they are.

namespace serin::core {

std::string words_percent(double share);  ///< "4.1 %", "0.30 %", "0.040 %"
/// exp(log_evidence) as odds: "3.2 : 1", "12,000 : 1", "over 10^12 : 1".
std::string words_odds(double log_evidence);
std::string words_ratio(double ratio);  ///< "x1.25", "x13.7", "x500"
std::string words_latency(double seconds);  ///< "84.1 ms"
/// A metric's rate or level in its own unit: errors in %, memory in MB. Of latency_*: the share of
/// requests slower than an edge.
std::string words_value(std::string_view metric, double value);
std::string words_hosts(size_t count);                          ///< "1 host", "5 hosts"
std::string words_list(const std::vector<std::string>& names);  ///< "a, b"

/// What was compared with what: "errors 4.1 % against 0.30 %".
std::string words_compared(const MetricView& metric);

/// What the margin of a service's warm-up rests on.
std::string words_warmup(uint32_t restarts);

/// While judged: what it would still take is said as well. Else the watch is over.
enum class Standing { judged, over };
/// Everything about one metric: canary, baseline, effect with its interval, evidence and what rolls
/// back, what would have been seen, what it would take to change the verdict, what was assumed.
std::string words_metric(const MetricView& metric, Standing standing);

/// "limits.nofile is 1024/4096 on web-03 and 65536/65536 on the others".
std::string words_drift(const DriftView& drift);
/// The first few of them in one line, to stand behind a verdict; empty when there are none.
std::string words_drifts(const std::vector<DriftView>& drift);

/// What the watch was worth: "by now errors x3 and latency_p90 x1.25 would have been seen".
std::string words_seen(const std::vector<MetricView>& metrics);

}  // namespace serin::core
