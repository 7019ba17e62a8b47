#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "agent/probe/socket_book.h"
#include "agent/probe/socket_dump.h"
#include "agent/probe/socket_pace.h"
#include "schema/messages.h"

namespace serin::agent {

/// CPU time of the calling thread.
uint64_t thread_cpu_ns();

/// What the services of one agent share to look at their sockets.
struct SharedSockets {
  SocketSource& source;
  std::vector<SocketRecord> records = {};  ///< of the look in hand
  std::filesystem::path proc = "/proc";
  std::function<uint64_t()> cpu_ns = thread_cpu_ns;
  /// CPU time that all services' looks together may take of each second: a seventh of what the
  /// whole agent may take.
  uint64_t budget_ns = 150'000;
  unsigned services = 1;  ///< that share the budget
};

/// Whose sockets.
struct SocketOwner {
  int32_t pid = 0;
  std::filesystem::path cgroup;  ///< of its unit; empty: none
  std::vector<uint16_t> ports;   ///< on which it listens, as its file says
};

/// Looks at the TCP sockets of what runs as a service, from its start to its end. Its listeners are
/// looked at in each look, the rest as often as the budget allows (SocketPace). They are told from
/// others by the control group of its unit and the groups below it; where the kernel or the host
/// cannot do that, by the ports it listens on, and then nothing is known of the connections that it
/// opens itself. On the loop's thread; never waits.
class SocketProbe {
 public:
  SocketProbe(SocketOwner owner, SharedSockets& shared);

  /// Once a second. What cannot be seen is absent, and absent() says why.
  SocketMetrics look(uint64_t now_us);
  [[nodiscard]] std::vector<Absent> absent() const;
  /// Another process is the unit's main one now, in the same control group.
  void follow(int32_t pid) { owner_.pid = pid; }

  [[nodiscard]] uint64_t period_us() const { return pace_.period_us(); }
  [[nodiscard]] size_t sockets() const { return book_.sockets(); }
  /// Looks of which nothing could be used.
  [[nodiscard]] uint64_t lost() const { return lost_; }

 private:
  void choose_filter();
  void use_ports(std::string why_no_groups);
  std::expected<void, DumpFault::Kind> list(SocketSource::Scope scope);
  SocketMetrics look_at_all(uint64_t now_us);
  SocketMetrics look_at_listeners();
  [[nodiscard]] SocketMetrics without_unseen(SocketMetrics metrics);

  SocketOwner owner_;
  SharedSockets* shared_;
  SocketFilter filter_;
  SocketBook book_;
  SocketPace pace_;
  std::string no_groups_;  ///< why the sockets are not told by control groups
  std::string problem_;    ///< why nothing is seen in the last look
  bool groups_refused_ = false;
  bool blind_ = true;  ///< the last look at all told nothing
  uint64_t lost_ = 0;
};

}  // namespace serin::agent
