#include "demo/supervisor/verbs.h"

#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace shop {
namespace {

constexpr size_t kMostMessage = 512;
constexpr int kMostWait = 1000;  // ms between two looks at the child, should a signal get lost
constexpr int kAnswerSeconds = 10;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

serin::Error os_error(const std::string& what) {
  return {fmt::format("{}: {}", what, std::strerror(errno))};
}

serin::Result<sockaddr_un> address_of(const HostFolder& host) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = host.socket().string();
  if (path.size() >= sizeof address.sun_path)
    return serin::fail(path + " is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

serin::Result<Fd> listen_on(const HostFolder& host) {
  auto address = address_of(host);
  if (!address) return std::unexpected(address.error());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  unlink(address->sun_path);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      listen(fd.get(), 8) != 0) {
    return std::unexpected(os_error(address->sun_path));
  }
  return fd;
}

void answer(Keeper& keeper, int listening) {
  const Fd client(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
  std::array<char, kMostMessage> text{};
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto got = read(client.get(), text.data(), text.size());
  std::string reply = "failed: only restart is understood\n";
  if (got > 0 && std::string_view(text.data(), static_cast<size_t>(got)) == "restart\n") {
    keeper.stop();
    const auto started = keeper.start();
    reply = started ? fmt::format("ok {}\n", *started)
                    : fmt::format("failed: {}\n", started.error().message);
  }
  send(client.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
}

int wait_for(const Keeper& keeper) {
  if (!keeper.next_start()) return kMostWait;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*keeper.next_start() - Keeper::Clock::now());
  return static_cast<int>(std::clamp<long>(left.count(), 0, kMostWait));
}

}  // namespace

serin::Result<void> supervise(const HostFolder& host) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const Fd signal_fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  auto listening = listen_on(host);
  if (!listening) return std::unexpected(listening.error());
  Keeper keeper(host);
  (void)keeper.start();  // noted when it fails, and tried again
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{.fd = signal_fd.get(), .events = POLLIN, .revents = 0},
                              pollfd{.fd = listening->get(), .events = POLLIN, .revents = 0}};
    poll(fds.data(), fds.size(), wait_for(keeper));
    signalfd_siginfo info{};
    while (read(signal_fd.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo != SIGCHLD) return {};  // the keeper stops the shop as it goes
    }
    keeper.reap(Keeper::Clock::now());
    if (fds[1].revents & POLLIN) answer(keeper, listening->get());
    keeper.tend(Keeper::Clock::now());
  }
}

serin::Result<void> ask_restart(const HostFolder& host) {
  auto address = address_of(host);
  if (!address) return std::unexpected(address.error());
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = kAnswerSeconds, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return std::unexpected(os_error(address->sun_path));
  }
  constexpr std::string_view kVerb = "restart\n";
  send(fd.get(), kVerb.data(), kVerb.size(), MSG_NOSIGNAL);
  std::array<char, kMostMessage> text{};
  const auto got = read(fd.get(), text.data(), text.size());
  if (got <= 0) return serin::fail("the supervisor gave no answer");
  const std::string_view reply(text.data(), static_cast<size_t>(got));
  if (!reply.starts_with("ok")) return serin::fail(std::string(reply.substr(0, reply.find('\n'))));
  return {};
}

}  // namespace shop
