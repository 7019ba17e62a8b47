#include "agent/request/http_get.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "agent/request/tcp_connect.h"

namespace serin::agent {
namespace {

constexpr size_t kReadBytes = size_t{64} * 1024;
constexpr size_t kMostPerTurn = size_t{1} << 20;  // then the loop's other work has its turn

}  // namespace

HttpGet::HttpGet(uv_loop_t* loop, ScrapeUrl url, std::string accept, Handlers handlers,
                 AnswerWanted wanted)
    : loop_(loop),
      url_(std::move(url)),
      handlers_(std::move(handlers)),
      response_([this](std::string_view part) { handlers_.on_body(part); }, std::move(wanted)),
      timer_(loop, [this] {
        done(failure_.empty() ? fail(late_ ? "it took too long" : "gave up") : fail(failure_));
      }) {
  bool six = url_.host.find(':') != std::string::npos;
  request_ = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}{}{}:{}\r\nUser-Agent: serin-agent/{}\r\nAccept: {}\r\n"
      "Connection: close\r\n\r\n",
      url_.target, six ? "[" : "", url_.host, six ? "]" : "", url_.port, SERIN_VERSION, accept);
}

void HttpGet::start(uint64_t timeout_ms) {
  if (auto connected = connect(); !connected) {
    failure_ = connected.error().message;
    timer_.start(0);
    return;
  }
  late_ = true;
  timer_.start(timeout_ms);
}

Result<void> HttpGet::connect() {
  auto fd = begin_connect(url_.host, url_.port);
  if (!fd) return std::unexpected(fd.error());
  fd_ = std::move(*fd);
  auto poll =
      UvPoll::make(loop_, fd_.get(), [this](int status, int events) { ready(status, events); });
  if (!poll) return std::unexpected(poll.error());
  poll_.emplace(std::move(*poll));
  poll_->start(UV_WRITABLE);
  return {};
}

void HttpGet::ready(int status, int /*events*/) {
  int error = 0;  // libuv says "bad descriptor" for a refused connection
  socklen_t size = sizeof(error);
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return done(fail(errno_text(error)));
  if (status != 0) return done(std::unexpected(uv_error("wait for its answer", status)));
  auto more = request_.empty() ? read_on() : send_on();
  if (!more) return done(std::unexpected(more.error()));
  if (!*more) done({});
}

/// True: not over yet.
Result<bool> HttpGet::send_on() {
  ssize_t sent = ::send(fd_.get(), request_.data(), request_.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return fail(errno_text(errno));
  if (sent > 0) request_.erase(0, static_cast<size_t>(sent));
  if (request_.empty()) poll_->start(UV_READABLE);
  return true;
}

Result<bool> HttpGet::read_on() {
  std::array<char, kReadBytes> buffer;
  for (size_t total = 0; total < kMostPerTurn;) {
    ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got < 0) return fail(errno_text(errno));
    if (got == 0) {
      if (auto whole = response_.finish(); !whole) return std::unexpected(whole.error());
      return false;
    }
    total += static_cast<size_t>(got);
    if (auto good = response_.feed({buffer.data(), static_cast<size_t>(got)}); !good)
      return std::unexpected(good.error());
    if (response_.is_done()) return false;
  }
  return true;
}

void HttpGet::done(Result<void> outcome) {
  timer_.stop();
  poll_.reset();
  fd_.reset();
  if (outcome) {
    handlers_.on_done(response_.content_type());
  } else {
    handlers_.on_done(std::unexpected(outcome.error()));
  }
}

}  // namespace serin::agent
