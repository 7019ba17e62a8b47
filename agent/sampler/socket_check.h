#pragma once

#include <string>
#include <vector>

#include "agent/probe/socket_probe.h"

namespace serin::agent {

/// The sockets of what runs as `serin-agent check` sees them, in two looks about a second apart.
/// Stays where it is made.
class SocketCheck {
 public:
  SocketCheck(SocketOwner owner, uint64_t now_us) : probe_(std::move(owner), shared_) {
    probe_.look(now_us);
  }
  SocketCheck(const SocketCheck&) = delete;
  SocketCheck& operator=(const SocketCheck&) = delete;

  /// What is seen, in one line; empty when nothing is.
  std::string look(uint64_t now_us);
  [[nodiscard]] std::vector<Absent> absent() const { return probe_.absent(); }

 private:
  SocketDump dump_;
  SharedSockets shared_{.source = dump_};
  SocketProbe probe_;
};

/// Numbers of connections and queues, with the busiest ports that the service connects to.
std::string words_for(const SocketMetrics& metrics);

}  // namespace serin::agent
