#pragma once

#include <filesystem>
#include <string>

#include "agent/uplink/uplink.h"
#include "schema/messages.h"

namespace serin::agent {

/// What the loop counts of itself.
struct LoopCounts {
  uint64_t lines_skipped = 0;
  uint64_t late_ticks = 0;
  uint64_t worst_late_us = 0;  ///< since the heartbeat before
};

/// The agent on itself: its CPU time and memory from the kernel, the rest as given.
AgentSelf agent_self(const Uplink::Stats& uplink, const LoopCounts& counts);

/// The same in Prometheus' text format, for the textfile collector of a node-exporter, so that the
/// agent opens no port.
std::string metrics_text(const AgentSelf& self, const Uplink::Stats& uplink);

/// Writes such a text at each heartbeat, whole or not at all. Trouble is logged when it begins.
class MetricsFile {
 public:
  explicit MetricsFile(std::filesystem::path file) : file_(std::move(file)) {}
  void write(const AgentSelf& self, const Uplink::Stats& uplink);

 private:
  std::filesystem::path file_;
  bool failing_ = false;
};

}  // namespace serin::agent
