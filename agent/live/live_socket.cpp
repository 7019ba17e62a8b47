#include "agent/live/live_socket.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace serin::agent {
namespace {

constexpr int kBacklog = 4;
constexpr mode_t kMode = 0660;  // what is sent names versions and hosts: not everybody's business

Error failed(const char* what, const std::filesystem::path& path) {
  return {fmt::format("cannot {} {}: {}", what, path.string(), errno_text(errno))};
}

}  // namespace

Result<std::unique_ptr<LiveSocket>> LiveSocket::make(uv_loop_t* loop, std::filesystem::path path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof(address.sun_path))
    return fail(path.string() + " is longer than the path of a socket may be");
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) return fail(path.string() + " is there and is no socket");
    ::unlink(path.c_str());
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return std::unexpected(failed("listen at", path));
  if (::chmod(path.c_str(), kMode) != 0 || ::listen(fd.get(), kBacklog) != 0)
    return std::unexpected(failed("listen at", path));
  std::unique_ptr<LiveSocket> made(new LiveSocket(loop, std::move(path), std::move(fd)));
  if (auto watched = made->watch(); !watched) return std::unexpected(watched.error());
  return made;
}

LiveSocket::LiveSocket(uv_loop_t* loop, std::filesystem::path path, UniqueFd fd)
    : loop_(loop), path_(std::move(path)), fd_(std::move(fd)) {}

LiveSocket::~LiveSocket() {
  ::unlink(path_.c_str());
}

Result<void> LiveSocket::watch() {
  auto poll = UvPoll::make(loop_, fd_.get(), [this](int /*status*/, int /*events*/) { welcome(); });
  if (!poll) return std::unexpected(poll.error());
  poll_ = std::make_unique<UvPoll>(std::move(*poll));
  poll_->start(UV_READABLE);
  return {};
}

void LiveSocket::welcome() {
  UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd || listeners_.size() >= kMostListeners) return;
  auto listener = std::make_unique<Listener>();
  listener->fd = std::move(fd);
  auto poll = UvPoll::make(
      loop_, listener->fd.get(),
      [this, one = listener.get()](int status, int events) { ready(*one, status, events); });
  if (!poll) return;
  listener->poll = std::make_unique<UvPoll>(std::move(*poll));
  listener->poll->start(UV_READABLE | UV_DISCONNECT);
  listeners_.push_back(std::move(listener));
}

/// Destroys `listener` where it has gone: its handle may be in the middle of this call.
void LiveSocket::ready(Listener& listener, int status, int events) {
  if (status < 0 || (events & (UV_READABLE | UV_DISCONNECT)) != 0) listener.lost = true;
  if (!listener.lost && (events & UV_WRITABLE) != 0) send_on(listener);
  sweep();
}

void LiveSocket::send_on(Listener& listener) {
  while (!listener.unsent.empty()) {
    const ssize_t sent = ::send(listener.fd.get(), listener.unsent.data(), listener.unsent.size(),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) listener.lost = true;
    if (sent < 0) break;
    listener.unsent.erase(0, static_cast<size_t>(sent));
  }
  const int writable = listener.unsent.empty() ? 0 : UV_WRITABLE;
  if (!listener.lost) listener.poll->start(UV_READABLE | UV_DISCONNECT | writable);
}

void LiveSocket::tell(std::string_view line) {
  for (auto& listener : listeners_) {
    if (listener->unsent.size() + line.size() + 1 > kMostUnsentBytes) {
      listener->lost = true;
      continue;
    }
    listener->unsent.append(line).push_back('\n');
    send_on(*listener);
  }
  sweep();
}

void LiveSocket::sweep() {
  std::erase_if(listeners_, [](const auto& listener) { return listener->lost; });
}

}  // namespace serin::agent
