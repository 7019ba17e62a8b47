#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discover/scan.h"

namespace serin::agent {

/// What a page of metrics offers that counts requests.
struct MetricsPage {
  std::string url;
  std::string requests;      ///< a counter; empty: none of the usual names
  std::string status_label;  ///< its label with the HTTP status; empty: none
  std::string latency;       ///< a histogram in seconds; empty: none
};
/// Chooses among a page's counters and histograms by their names and labels. Pure.
MetricsPage read_metrics_page(std::string_view page);

/// What the ports of a unit answered.
struct PortAnswers {
  std::optional<MetricsPage> metrics;
  std::string healthy;  ///< a URL that answered 200; empty: none did
};

/// Asks each port, by HTTP, for /metrics, then for /healthz, /health and /; at most 8 ports and
/// half a second for each answer. Programs that are known to speak something else (Redis,
/// PostgreSQL, …) are not asked: they would take it for an attack. A request of ours may stand in
/// the service's log.
PortAnswers probe_ports(const FoundUnit& unit);

}  // namespace serin::agent
