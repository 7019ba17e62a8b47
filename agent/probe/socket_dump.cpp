#include "agent/probe/socket_dump.h"

#include <fmt/core.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace serin::agent {
namespace {

using Kind = DumpFault::Kind;
constexpr size_t kReplyBytes = size_t{32} * 1024;

std::unexpected<DumpFault> fault(Kind kind, std::string_view what, int error) {
  return std::unexpected(
      DumpFault{.kind = kind, .reason = fmt::format("{}: {}", what, errno_text(error))});
}

constexpr uint32_t bit(TcpState state) {
  return 1U << static_cast<unsigned>(state);
}

constexpr uint32_t kListeners = bit(TcpState::listen);
constexpr uint32_t kAll = kListeners | bit(TcpState::established) | bit(TcpState::syn_sent) |
                          bit(TcpState::fin_wait_1) | bit(TcpState::close_wait) |
                          bit(TcpState::last_ack) | bit(TcpState::closing);

/// The request of the first sock_diag: unlike its successor it gives both families at once, for one
/// walk through the kernel's table instead of two.
struct Request {
  nlmsghdr head;
  inet_diag_req asked;
  nlattr filter;
};

constexpr uint8_t extension(int attribute) {
  return static_cast<uint8_t>(1U << (attribute - 1));
}

}  // namespace

std::expected<void, DumpFault> SocketDump::open() {
  if (socket_) return {};
  socket_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!socket_) return fault(Kind::failed, "no netlink socket for sock_diag", errno);
  buffer_.resize(kReplyBytes);
  return {};
}

std::expected<void, DumpFault> SocketDump::ask(const SocketFilter& filter, Scope scope) {
  Bytes code = filter_code(filter);
  const bool all = scope == Scope::all;
  Request request{};
  request.head = {.nlmsg_len = static_cast<uint32_t>(sizeof request + code.size()),
                  .nlmsg_type = TCPDIAG_GETSOCK,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                  .nlmsg_seq = ++sequence_,
                  .nlmsg_pid = 0};
  request.asked.idiag_states = all ? kAll : kListeners;
  request.asked.idiag_ext = extension(INET_DIAG_SKMEMINFO);
  if (all) request.asked.idiag_ext |= extension(INET_DIAG_INFO);
  request.filter = {.nla_len = static_cast<uint16_t>(sizeof(nlattr) + code.size()),
                    .nla_type = INET_DIAG_REQ_BYTECODE};
  std::array<iovec, 2> parts = {{{.iov_base = &request, .iov_len = sizeof request},
                                 {.iov_base = code.data(), .iov_len = code.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (::sendmsg(socket_.get(), &message, 0) >= 0) return {};
  return fault(Kind::failed, "cannot ask sock_diag", errno);
}

std::expected<void, DumpFault> SocketDump::read_replies(std::vector<SocketRecord>& records) {
  for (;;) {
    // MSG_TRUNC: the whole length, so that a longer reply is seen to be cut.
    const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fault(Kind::interrupted, "sock_diag stopped answering", errno);
    if (static_cast<size_t>(got) > buffer_.size())
      return fault(Kind::interrupted, "a reply of sock_diag", EMSGSIZE);
    const auto end =
        read_dump(std::span(buffer_).first(static_cast<size_t>(got)), sequence_, records);
    if (!end) return std::unexpected(end.error());
    if (records.size() > kMostSockets)
      return std::unexpected(DumpFault{
          .kind = Kind::too_many,
          .reason = fmt::format("more than {} TCP sockets: too many to look at", kMostSockets)});
    if (*end == DumpEnd::done) return {};
  }
}

std::expected<void, DumpFault> SocketDump::list(const SocketFilter& filter, Scope scope,
                                                std::vector<SocketRecord>& records) {
  records.clear();
  auto outcome = open();
  if (outcome) outcome = ask(filter, scope);
  if (outcome) outcome = read_replies(records);
  if (!outcome) socket_.reset();  // with what is still on its way
  return outcome;
}

}  // namespace serin::agent
