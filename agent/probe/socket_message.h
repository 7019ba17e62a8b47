#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/error.h"

namespace serin::agent {

/// The kernel's numbers of the states that are looked at (tcp_states.h).
enum class TcpState : uint8_t {
  established = 1,
  syn_sent = 2,
  fin_wait_1 = 4,
  close_wait = 8,
  last_ack = 9,
  listen = 10,
  closing = 11,
};

/// One TCP socket as sock_diag tells it.
struct SocketRecord {
  uint64_t cookie = 0;  ///< the kernel's own id of the socket, never given twice
  TcpState state = TcpState::established;
  uint16_t local_port = 0, remote_port = 0;
  uint32_t waiting = 0;  ///< listening: connections not accepted yet; else bytes not read yet
  uint32_t unsent = 0;   ///< listening: most that may wait; else bytes not acknowledged yet
  // What an older kernel leaves out is absent.
  std::optional<uint32_t> drops;   ///< since its start; of a listener mostly: the queue was full
  std::optional<uint32_t> rtt_us;  ///< smoothed; absent before the first measurement
  std::optional<uint32_t> retransmits;  ///< segments sent again since its start
  friend bool operator==(const SocketRecord&, const SocketRecord&) = default;
};

enum class DumpEnd { more, done };

/// Why a dump told nothing that may be used.
struct DumpFault {
  enum class Kind {
    refused,      ///< the kernel does not know what it is asked
    interrupted,  ///< it is not whole: sockets changed too much meanwhile, or replies were lost
    too_many,     ///< more sockets than are looked at
    failed,       ///< no such interface, no permission
  } kind = Kind::failed;
  std::string reason;
};

/// Reads one datagram of a dump's reply and appends its sockets to `records`. Messages of another
/// `sequence` are skipped: they belong to a dump that was given up. Every length is checked; a
/// message cut short is a fault, and sockets in states that were not asked for are skipped. Pure.
std::expected<DumpEnd, DumpFault> read_dump(std::span<const std::byte> datagram, uint32_t sequence,
                                            std::vector<SocketRecord>& records);

}  // namespace serin::agent
