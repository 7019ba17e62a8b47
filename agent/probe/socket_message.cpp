#include "agent/probe/socket_message.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/file.h"

namespace serin::agent {
namespace {

using Part = std::span<const std::byte>;
using Kind = DumpFault::Kind;

std::unexpected<DumpFault> fault(Kind kind, std::string reason) {
  return std::unexpected(DumpFault{.kind = kind, .reason = std::move(reason)});
}

/// The value at a place of a message that is that long; messages are not aligned for us.
template <typename T>
std::optional<T> value_at(Part part, size_t at) {
  if (part.size() < sizeof(T) || at > part.size() - sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, part.data() + at, sizeof value);
  return value;
}

/// Both netlink's messages and their attributes begin on whole 4 bytes; the last one's padding may
/// be left out.
size_t aligned(size_t bytes, size_t all) {
  return std::min((bytes + 3) & ~size_t{3}, all);
}

bool is_looked_at(uint8_t state) {
  switch (static_cast<TcpState>(state)) {
    case TcpState::established:
    case TcpState::syn_sent:
    case TcpState::fin_wait_1:
    case TcpState::close_wait:
    case TcpState::last_ack:
    case TcpState::listen:
    case TcpState::closing:
      return true;
  }
  return false;
}

void read_attribute(uint16_t type, Part value, SocketRecord& record) {
  if (type == INET_DIAG_INFO) {
    record.rtt_us = value_at<uint32_t>(value, offsetof(tcp_info, tcpi_rtt));
    if (record.rtt_us == 0U) record.rtt_us.reset();
    record.retransmits = value_at<uint32_t>(value, offsetof(tcp_info, tcpi_total_retrans));
  } else if (type == INET_DIAG_SKMEMINFO) {
    record.drops = value_at<uint32_t>(value, SK_MEMINFO_DROPS * sizeof(uint32_t));
  }
}

/// False: an attribute does not lie within the message.
bool read_attributes(Part part, SocketRecord& record) {
  while (!part.empty()) {
    const auto head = value_at<nlattr>(part, 0);
    if (!head || head->nla_len < sizeof(nlattr) || head->nla_len > part.size()) return false;
    read_attribute(head->nla_type & NLA_TYPE_MASK,
                   part.subspan(sizeof(nlattr), head->nla_len - sizeof(nlattr)), record);
    part = part.subspan(aligned(head->nla_len, part.size()));
  }
  return true;
}

/// False: cut short.
bool read_socket(Part body, std::vector<SocketRecord>& records) {
  const auto told = value_at<inet_diag_msg>(body, 0);
  if (!told) return false;
  SocketRecord record{.cookie = told->id.idiag_cookie[0] | uint64_t{told->id.idiag_cookie[1]} << 32,
                      .state = static_cast<TcpState>(told->idiag_state),
                      .local_port = ntohs(told->id.idiag_sport),
                      .remote_port = ntohs(told->id.idiag_dport),
                      .waiting = told->idiag_rqueue,
                      .unsent = told->idiag_wqueue,
                      .drops = {},
                      .rtt_us = {},
                      .retransmits = {}};
  if (!read_attributes(body.subspan(sizeof(inet_diag_msg)), record)) return false;
  if (is_looked_at(told->idiag_state)) records.push_back(record);
  return true;
}

/// NLMSG_ERROR, and NLMSG_DONE, which since Linux 4.9 says how the dump ended.
std::expected<DumpEnd, DumpFault> read_end(Part body) {
  const auto code = value_at<int32_t>(body, 0);
  if (!code) return fault(Kind::interrupted, "the kernel's last message is cut short");
  if (*code == 0) return DumpEnd::done;
  const int error = *code < 0 && *code > -4096 ? -*code : EPROTO;
  const Kind kind = error == EINVAL ? Kind::refused : Kind::failed;
  return fault(kind, fmt::format("the kernel lists no sockets: {}", errno_text(error)));
}

std::expected<DumpEnd, DumpFault> read_message(const nlmsghdr& head, Part body,
                                               std::vector<SocketRecord>& records) {
  if ((head.nlmsg_flags & NLM_F_DUMP_INTR) != 0)
    return fault(Kind::interrupted, "the list of sockets changed while it was read");
  switch (head.nlmsg_type) {
    case NLMSG_DONE:
    case NLMSG_ERROR:
      return read_end(body);
    case NLMSG_OVERRUN:
      return fault(Kind::interrupted, "replies of the kernel were lost");
    case TCPDIAG_GETSOCK:
    case SOCK_DIAG_BY_FAMILY:
      if (!read_socket(body, records))
        return fault(Kind::interrupted, "a socket's message is cut short or torn");
      return DumpEnd::more;
    default:
      return DumpEnd::more;
  }
}

}  // namespace

std::expected<DumpEnd, DumpFault> read_dump(std::span<const std::byte> datagram, uint32_t sequence,
                                            std::vector<SocketRecord>& records) {
  while (!datagram.empty()) {
    const auto head = value_at<nlmsghdr>(datagram, 0);
    if (!head || head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > datagram.size())
      return fault(Kind::interrupted, "a message of the kernel does not have its length");
    const Part body = datagram.subspan(sizeof(nlmsghdr), head->nlmsg_len - sizeof(nlmsghdr));
    if (head->nlmsg_seq == sequence) {
      auto end = read_message(*head, body, records);
      if (!end || *end == DumpEnd::done) return end;
    }
    datagram = datagram.subspan(aligned(head->nlmsg_len, datagram.size()));
  }
  return DumpEnd::more;
}

}  // namespace serin::agent
