#pragma once

#include <array>
#include <string_view>

#include "schema/messages.h"

// Where the numbers of a process stand in a capture: amounts of the interval under "counters",
// values at its end under "gauges", each by its own name. `cpu_seconds`, the only one that is not a
// whole number, is under "counters".

namespace serin::capture {

inline constexpr size_t kMostBuckets = ExpHistogram::kMaxIndex - ExpHistogram::kMinIndex + 1;

enum class Place : uint8_t { gauges, counters };

struct ProcessField {
  std::string_view name;
  std::optional<uint64_t> ProcessMetrics::* value;
  Place place;
};

inline constexpr std::array kProcessFields = {
    ProcessField{"rss_bytes", &ProcessMetrics::rss_bytes, Place::gauges},
    ProcessField{"threads", &ProcessMetrics::threads, Place::gauges},
    ProcessField{"fds", &ProcessMetrics::fds, Place::gauges},
    ProcessField{"fd_limit", &ProcessMetrics::fd_limit, Place::gauges},
    ProcessField{"voluntary_switches", &ProcessMetrics::voluntary_switches, Place::counters},
    ProcessField{"involuntary_switches", &ProcessMetrics::involuntary_switches, Place::counters},
    ProcessField{"minor_faults", &ProcessMetrics::minor_faults, Place::counters},
    ProcessField{"major_faults", &ProcessMetrics::major_faults, Place::counters},
    ProcessField{"read_bytes", &ProcessMetrics::read_bytes, Place::counters},
    ProcessField{"written_bytes", &ProcessMetrics::written_bytes, Place::counters},
};

struct SelfField {
  std::string_view name;
  uint64_t AgentSelf::* value;
};

inline constexpr std::array kSelfFields = {
    SelfField{"rss_bytes", &AgentSelf::rss_bytes},
    SelfField{"ring_dropped", &AgentSelf::ring_dropped},
    SelfField{"reconnects", &AgentSelf::reconnects},
    SelfField{"publish_failures", &AgentSelf::publish_failures},
    SelfField{"lines_skipped", &AgentSelf::lines_skipped},
    SelfField{"late_ticks", &AgentSelf::late_ticks},
};

}  // namespace serin::capture
