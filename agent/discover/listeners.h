#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discover/host_tree.h"

namespace serin::agent {

/// A TCP socket that waits for connections.
struct Listener {
  std::string address;  ///< "127.0.0.1", "::", as people write it
  uint16_t port = 0;
  uint64_t inode = 0;
  uint32_t user = 0;
  friend bool operator==(const Listener&, const Listener&) = default;
};

/// The lines of /proc/net/tcp or tcp6 in state LISTEN; others, and lines of another shape, are
/// passed over.
std::vector<Listener> parse_listeners(std::string_view text);

/// Whose sockets are whose.
struct SocketHolders {
  std::map<uint64_t, std::vector<int32_t>> pids;  ///< by inode; lowest first
  size_t hidden = 0;                              ///< processes whose files may not be looked at
};

/// Walks /proc/PID/fd of every process: some ms for a thousand processes. Root sees all of them,
/// anyone else only his own.
SocketHolders find_holders(const HostTree& tree, const std::vector<Listener>& listeners);

}  // namespace serin::agent
