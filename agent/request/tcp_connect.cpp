#include "agent/request/tcp_connect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace serin::agent {

Result<UniqueFd> begin_connect(const std::string& host, uint16_t port) {
  sockaddr_in four{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  bool is_four = ::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1;
  if (!is_four && ::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) != 1)
    return fail(host + " is not a numeric address");
  UniqueFd fd(
      ::socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(errno_text(errno));
  const auto* address =
      is_four ? reinterpret_cast<const sockaddr*>(&four) : reinterpret_cast<const sockaddr*>(&six);
  if (::connect(fd.get(), address, is_four ? sizeof(four) : sizeof(six)) != 0 &&
      errno != EINPROGRESS)
    return fail(errno_text(errno));
  return fd;
}

TcpConnect::TcpConnect(uv_loop_t* loop, std::string host, uint16_t port, OnDone on_done)
    : loop_(loop),
      host_(std::move(host)),
      port_(port),
      on_done_(std::move(on_done)),
      timer_(loop, [this] { done(outcome_); }) {}

void TcpConnect::start(uint64_t timeout_ms) {
  if (auto connected = connect(); !connected) {
    outcome_ = std::move(connected);
    timeout_ms = 0;
  }
  timer_.start(timeout_ms);
}

Result<void> TcpConnect::connect() {
  auto fd = begin_connect(host_, port_);
  if (!fd) return std::unexpected(fd.error());
  fd_ = std::move(*fd);
  auto poll = UvPoll::make(loop_, fd_.get(), [this](int status, int) {
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return done(fail(errno_text(error)));
    done(status == 0 ? Result<void>{} : std::unexpected(uv_error("wait for it", status)));
  });
  if (!poll) return std::unexpected(poll.error());
  poll_.emplace(std::move(*poll));
  poll_->start(UV_WRITABLE);
  return {};
}

void TcpConnect::done(Result<void> outcome) {
  timer_.stop();
  poll_.reset();
  fd_.reset();
  on_done_(std::move(outcome));
}

}  // namespace serin::agent
