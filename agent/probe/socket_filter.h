#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/ids.h"

namespace serin::agent {

/// Which of a host's sockets are a service's: those made in one of its control groups, and those on
/// one of its ports.
struct SocketFilter {
  static constexpr size_t kMostGroups = 32;  ///< the kernel tries them in turn on every socket
  static constexpr size_t kMostPorts = 16;   ///< likewise; as many as a service file may name

  std::vector<uint64_t> groups;  ///< ids of version 2 groups, each for itself: not those below it
  std::vector<uint16_t> ports;   ///< local ones
  [[nodiscard]] bool is_empty() const { return groups.empty() && ports.empty(); }
};

/// The filter as the kernel's inet_diag bytecode: a socket that meets any of the conditions passes.
/// Needs at least one.
Bytes filter_code(const SocketFilter& filter);

}  // namespace serin::agent
