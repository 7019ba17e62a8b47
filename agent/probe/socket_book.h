#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/probe/socket_message.h"
#include "agent/probe/socket_table.h"
#include "schema/messages.h"

namespace serin::agent {

/// Turns looks at a service's sockets, one after the other, into metrics: remembers each socket by
/// its cookie, so that what the kernel counts per socket becomes amounts of an interval. Pure;
/// about 0.1 µs a socket, and memory is kept from look to look.
///
/// A connection is inbound when its local port is one that the service listens on, and stays so
/// when the listener is closed before it (draining); all others are outbound. Inbound ones that
/// wait to be accepted count as established, as the kernel has it.
///
/// What is not counted, as it cannot be seen:
/// - retransmits of a socket after the last look that found it, and of those that lived between two
///   looks;
/// - as failed_connects only those are counted that were seen with a SYN sent again (about one
/// second
///   without an answer) and were gone at the next look: the peer's host is away, or drops what
///   comes. Refused at once (RST), or given up before the first SYN was repeated, looks the same as
///   established and closed between two looks. A connect that succeeded on a repeated SYN and was
///   closed again before the next look is counted though it did not fail.
class SocketBook {
 public:
  /// `ports`: known beforehand as the service's, whether or not it is seen to listen.
  explicit SocketBook(std::vector<uint16_t> ports) : known_ports_(std::move(ports)) {}

  /// A look at all sockets. Amounts are absent in the first one.
  SocketMetrics look_at_all(std::span<const SocketRecord> records);
  /// A look at the listeners alone; the other levels are those of the last look at all, with no
  /// amounts: the next look at all brings them.
  SocketMetrics look_at_listeners(std::span<const SocketRecord> records);
  /// Listeners that the last look found.
  [[nodiscard]] size_t listeners() const { return listeners_.size(); }
  /// Sockets that the last look at all found, listeners included.
  [[nodiscard]] size_t sockets() const { return found_; }

 private:
  struct Outbound {
    uint16_t port;
    uint32_t rtt_us;
    friend auto operator<=>(const Outbound&, const Outbound&) = default;
  };
  void count_listeners(std::span<const SocketRecord> records, SocketMetrics& metrics);
  void count(const SocketRecord& record, SocketMetrics& metrics);
  void count_level(const SocketRecord& record, bool inbound, SocketMetrics& metrics);
  void count_vanished(SocketMetrics& metrics);
  [[nodiscard]] bool is_service_port(uint16_t port) const;
  RemotePort& remote(uint16_t port);
  void add_round_trips(SocketMetrics& metrics);
  void add_remotes(SocketMetrics& metrics);

  std::vector<uint16_t> known_ports_, ports_;  ///< sorted
  SocketTable before_, now_;
  SocketTable listeners_before_, listeners_;
  std::vector<Outbound> round_trips_;
  std::vector<RemotePort> remotes_;
  SocketTable remote_places_;  ///< port + 1 → its place in remotes_, of which there may be many
  SocketMetrics last_;         ///< of the last look at all
  size_t found_ = 0;
  bool first_ = true, first_listeners_ = true;
  bool counts_retransmits_ = true;  ///< the kernel tells them
};

}  // namespace serin::agent
