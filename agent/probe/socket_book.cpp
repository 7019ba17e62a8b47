#include "agent/probe/socket_book.h"

#include <algorithm>
#include <utility>

#include "schema/limits.h"

namespace serin::agent {
namespace {

/// What was counted since the look before. Counts begin at 0 with the socket, and again when it is
/// connected anew.
uint32_t since(uint32_t now, uint32_t before) {
  return now >= before ? now - before : now;
}

/// A FIN that is on its way counts as one byte.
uint64_t unsent_bytes(const SocketRecord& record) {
  const bool closing =
      record.state != TcpState::established && record.state != TcpState::close_wait;
  return record.unsent - (closing && record.unsent > 0 ? 1U : 0U);
}

double seconds(uint32_t us) {
  return static_cast<double>(us) / 1e6;
}

void add(std::optional<uint64_t>& sum, uint64_t more) {
  sum = sum.value_or(0) + more;
}

}  // namespace

bool SocketBook::is_service_port(uint16_t port) const {
  return std::ranges::binary_search(ports_, port);
}

RemotePort& SocketBook::remote(uint16_t port) {
  const uint64_t key = uint64_t{port} + 1;
  if (const SeenSocket* place = remote_places_.find(key)) return remotes_[place->count];
  remote_places_.add({.cookie = key, .count = static_cast<uint32_t>(remotes_.size())});
  remotes_.push_back({.port = port});
  if (!first_ && counts_retransmits_)
    remotes_.back().retransmits = remotes_.back().failed_connects = 0;
  return remotes_.back();
}

void SocketBook::count_listeners(std::span<const SocketRecord> records, SocketMetrics& metrics) {
  std::swap(listeners_before_, listeners_);
  listeners_.clear();
  ports_ = known_ports_;
  bool counts_drops = true;
  uint64_t queue = 0, limit = 0, overflows = 0;
  for (const SocketRecord& record : records) {
    if (record.state != TcpState::listen || listeners_.find(record.cookie) != nullptr) continue;
    counts_drops = counts_drops && record.drops.has_value();
    const uint32_t drops = record.drops.value_or(0);
    const SeenSocket* before = listeners_before_.find(record.cookie);
    overflows += since(drops, before != nullptr ? before->count : 0);
    listeners_.add({.cookie = record.cookie, .count = drops});
    queue += record.waiting;
    limit += record.unsent;
    ports_.push_back(record.local_port);
  }
  std::ranges::sort(ports_);
  metrics.accept_queue = queue;
  metrics.accept_limit = limit;
  metrics.accept_overflows =
      !first_listeners_ && counts_drops ? std::optional(overflows) : std::nullopt;
  first_listeners_ = false;
}

SocketMetrics SocketBook::look_at_listeners(std::span<const SocketRecord> records) {
  SocketMetrics metrics = last_;
  count_listeners(records, metrics);
  return metrics;
}

SocketMetrics SocketBook::look_at_all(std::span<const SocketRecord> records) {
  SocketMetrics metrics{.inbound = 0,
                        .outbound = 0,
                        .connecting = 0,
                        .close_wait = 0,
                        .unsent_bytes = 0,
                        .retransmits = 0,
                        .failed_connects = 0};
  count_listeners(records, metrics);
  std::swap(before_, now_);
  now_.clear();
  remotes_.clear();
  remote_places_.clear();
  round_trips_.clear();
  found_ = listeners_.size();
  counts_retransmits_ = std::ranges::all_of(records, [](const SocketRecord& record) {
    return record.state == TcpState::listen || record.retransmits.has_value();
  });
  for (const SocketRecord& record : records)
    if (record.state != TcpState::listen) count(record, metrics);
  count_vanished(metrics);
  add_round_trips(metrics);
  add_remotes(metrics);
  if (first_ || !counts_retransmits_) {
    metrics.retransmits.reset();
    metrics.failed_connects.reset();
  }
  first_ = false;
  last_ = metrics;
  for (RemotePort& port : last_.remotes)
    if (port.retransmits) port.retransmits = port.failed_connects = 0;
  if (last_.retransmits) last_.retransmits = last_.failed_connects = 0;
  return metrics;
}

void SocketBook::count(const SocketRecord& record, SocketMetrics& metrics) {
  // Connections come and go while the kernel lists them: one may be told twice.
  if (now_.find(record.cookie) != nullptr) return;
  SeenSocket* before = before_.find(record.cookie);
  const uint32_t total = record.retransmits.value_or(0);
  SeenSocket seen{.cookie = record.cookie,
                  .count = total,
                  .remote_port = record.remote_port,
                  .inbound = is_service_port(record.local_port),
                  .connecting = record.state == TcpState::syn_sent};
  if (seen.connecting) seen.inbound = false;
  if (before != nullptr) seen.inbound = before->inbound;
  const uint32_t again = since(total, before != nullptr ? before->count : 0);
  if (before != nullptr) before->found = true;
  now_.add(seen);
  ++found_;
  add(metrics.retransmits, again);
  if (!seen.inbound) {
    RemotePort& port = remote(record.remote_port);
    if (port.retransmits) add(port.retransmits, again);
  }
  count_level(record, seen.inbound, metrics);
}

void SocketBook::count_level(const SocketRecord& record, bool inbound, SocketMetrics& metrics) {
  if (record.state == TcpState::syn_sent) {
    add(metrics.connecting, 1);
    ++remote(record.remote_port).connecting;
    return;
  }
  add(metrics.unsent_bytes, unsent_bytes(record));
  if (record.state == TcpState::close_wait) add(metrics.close_wait, 1);
  if (record.state != TcpState::established) return;
  add(inbound ? metrics.inbound : metrics.outbound, 1);
  if (inbound) return;
  ++remote(record.remote_port).connections;
  if (record.rtt_us) round_trips_.push_back({record.remote_port, *record.rtt_us});
}

/// The kernel may leave out a socket when others go while it lists them, so it is remembered for
/// one more look: else it would come back as a new one, and its retransmits would be counted twice.
void SocketBook::count_vanished(SocketMetrics& metrics) {
  before_.each([&](SeenSocket& socket) {
    if (socket.found || socket.missed) return;
    socket.missed = true;
    now_.add(socket);
    if (!socket.connecting || socket.count == 0) return;
    add(metrics.failed_connects, 1);
    RemotePort& port = remote(socket.remote_port);
    if (port.failed_connects) add(port.failed_connects, 1);
  });
}

void SocketBook::add_round_trips(SocketMetrics& metrics) {
  std::ranges::sort(round_trips_);
  for (auto begin = round_trips_.begin(); begin != round_trips_.end();) {
    const auto end = std::find_if(begin, round_trips_.end(),
                                  [&](const Outbound& other) { return other.port != begin->port; });
    remote(begin->port).rtt_seconds = seconds((begin + (end - begin) / 2)->rtt_us);
    begin = end;
  }
  if (round_trips_.empty()) return;
  const auto middle = round_trips_.begin() + static_cast<ptrdiff_t>(round_trips_.size() / 2);
  std::ranges::nth_element(round_trips_, middle, {}, &Outbound::rtt_us);
  metrics.rtt_seconds = seconds(middle->rtt_us);
}

/// Those with the most connections, failed ones included, or a dead partner would be the first to
/// be left out.
void SocketBook::add_remotes(SocketMetrics& metrics) {
  std::erase_if(remotes_, [](const RemotePort& port) {
    return port.connections + port.connecting + port.retransmits.value_or(0) +
               port.failed_connects.value_or(0) ==
           0;
  });
  const auto busier = [](const RemotePort& a, const RemotePort& b) {
    const auto weight = [](const RemotePort& port) {
      return port.connections + port.connecting + port.failed_connects.value_or(0);
    };
    return std::pair(weight(b), a.port) < std::pair(weight(a), b.port);
  };
  const auto most = static_cast<ptrdiff_t>(std::min(remotes_.size(), limits::kRemotes));
  std::ranges::partial_sort(remotes_, remotes_.begin() + most, busier);
  metrics.remotes.assign(remotes_.begin(), remotes_.begin() + most);
  std::ranges::sort(metrics.remotes, {}, &RemotePort::port);
}

}  // namespace serin::agent
