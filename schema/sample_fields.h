#pragma once

#include <array>
#include <string_view>

#include "schema/messages.h"

// The numbers of a sample by name, for whoever treats them all alike: checking, captures, merging
// of intervals.

namespace serin {

enum class Measure : uint8_t {
  level,   ///< the value at the interval's end
  amount,  ///< of the interval: two intervals' amounts add up
};

struct ProcessField {
  std::string_view path;  ///< as a fault calls it
  std::optional<uint64_t> ProcessMetrics::*value;
  Measure measure;
  [[nodiscard]] constexpr std::string_view name() const {
    return path.substr(std::string_view("process.").size());
  }
};

inline constexpr std::array kProcessFields = {
    ProcessField{"process.rss_bytes", &ProcessMetrics::rss_bytes, Measure::level},
    ProcessField{"process.threads", &ProcessMetrics::threads, Measure::level},
    ProcessField{"process.fds", &ProcessMetrics::fds, Measure::level},
    ProcessField{"process.fd_limit", &ProcessMetrics::fd_limit, Measure::level},
    ProcessField{"process.voluntary_switches", &ProcessMetrics::voluntary_switches,
                 Measure::amount},
    ProcessField{"process.involuntary_switches", &ProcessMetrics::involuntary_switches,
                 Measure::amount},
    ProcessField{"process.minor_faults", &ProcessMetrics::minor_faults, Measure::amount},
    ProcessField{"process.major_faults", &ProcessMetrics::major_faults, Measure::amount},
    ProcessField{"process.read_bytes", &ProcessMetrics::read_bytes, Measure::amount},
    ProcessField{"process.written_bytes", &ProcessMetrics::written_bytes, Measure::amount},
    ProcessField{"process.memory_bytes", &ProcessMetrics::memory_bytes, Measure::level},
    ProcessField{"process.processes", &ProcessMetrics::processes, Measure::level},
    ProcessField{"process.oom_kills", &ProcessMetrics::oom_kills, Measure::amount},
};

/// Amounts that are no whole numbers.
struct ProcessSeconds {
  std::string_view path;
  std::optional<double> ProcessMetrics::*value;
  [[nodiscard]] constexpr std::string_view name() const {
    return path.substr(std::string_view("process.").size());
  }
};

inline constexpr std::array kProcessSeconds = {
    ProcessSeconds{"process.cpu_seconds", &ProcessMetrics::cpu_seconds},
    ProcessSeconds{"process.run_delay_seconds", &ProcessMetrics::run_delay_seconds},
    ProcessSeconds{"process.throttled_seconds", &ProcessMetrics::throttled_seconds},
    ProcessSeconds{"process.cpu_pressure_seconds", &ProcessMetrics::cpu_pressure_seconds},
    ProcessSeconds{"process.memory_pressure_seconds", &ProcessMetrics::memory_pressure_seconds},
    ProcessSeconds{"process.io_pressure_seconds", &ProcessMetrics::io_pressure_seconds},
};

struct SocketField {
  std::string_view name;
  std::optional<uint64_t> SocketMetrics::*value;
  Measure measure;
};

inline constexpr std::array kSocketFields = {
    SocketField{"inbound", &SocketMetrics::inbound, Measure::level},
    SocketField{"outbound", &SocketMetrics::outbound, Measure::level},
    SocketField{"connecting", &SocketMetrics::connecting, Measure::level},
    SocketField{"close_wait", &SocketMetrics::close_wait, Measure::level},
    SocketField{"accept_queue", &SocketMetrics::accept_queue, Measure::level},
    SocketField{"accept_limit", &SocketMetrics::accept_limit, Measure::level},
    SocketField{"unsent_bytes", &SocketMetrics::unsent_bytes, Measure::level},
    SocketField{"retransmits", &SocketMetrics::retransmits, Measure::amount},
    SocketField{"accept_overflows", &SocketMetrics::accept_overflows, Measure::amount},
    SocketField{"failed_connects", &SocketMetrics::failed_connects, Measure::amount},
};

struct SelfField {
  std::string_view name;
  uint64_t AgentSelf::*value;
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

}  // namespace serin
