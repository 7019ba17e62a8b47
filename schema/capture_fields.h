#pragma once

#include <array>
#include <string_view>

#include "schema/messages.h"

// Where the numbers of a process stand in a capture: amounts of the interval under "counters",
// values at its end under "gauges", each by its own name. Seconds, which are not whole numbers, are
// amounts and stand under "counters". Sockets have an object of their own, "sockets".

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
    ProcessField{"memory_bytes", &ProcessMetrics::memory_bytes, Place::gauges},
    ProcessField{"processes", &ProcessMetrics::processes, Place::gauges},
    ProcessField{"oom_kills", &ProcessMetrics::oom_kills, Place::counters},
};

struct ProcessSeconds {
  std::string_view name;
  std::optional<double> ProcessMetrics::* value;
};

inline constexpr std::array kProcessSeconds = {
    ProcessSeconds{"cpu_seconds", &ProcessMetrics::cpu_seconds},
    ProcessSeconds{"run_delay_seconds", &ProcessMetrics::run_delay_seconds},
    ProcessSeconds{"throttled_seconds", &ProcessMetrics::throttled_seconds},
    ProcessSeconds{"cpu_pressure_seconds", &ProcessMetrics::cpu_pressure_seconds},
    ProcessSeconds{"memory_pressure_seconds", &ProcessMetrics::memory_pressure_seconds},
    ProcessSeconds{"io_pressure_seconds", &ProcessMetrics::io_pressure_seconds},
};

struct SocketField {
  std::string_view name;
  std::optional<uint64_t> SocketMetrics::* value;
};

inline constexpr std::array kSocketFields = {
    SocketField{"inbound", &SocketMetrics::inbound},
    SocketField{"outbound", &SocketMetrics::outbound},
    SocketField{"connecting", &SocketMetrics::connecting},
    SocketField{"close_wait", &SocketMetrics::close_wait},
    SocketField{"accept_queue", &SocketMetrics::accept_queue},
    SocketField{"accept_limit", &SocketMetrics::accept_limit},
    SocketField{"unsent_bytes", &SocketMetrics::unsent_bytes},
    SocketField{"retransmits", &SocketMetrics::retransmits},
    SocketField{"accept_overflows", &SocketMetrics::accept_overflows},
    SocketField{"failed_connects", &SocketMetrics::failed_connects},
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
    SelfField{"worst_late_us", &AgentSelf::worst_late_us},
    SelfField{"messages_sent", &AgentSelf::messages_sent},
};

}  // namespace serin::capture
