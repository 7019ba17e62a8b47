#include "agent/rollback/server.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "agent/rollback/gate.h"
#include "common/log.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

constexpr size_t kMostConnections = 16;       // the agent needs one per service at a time, at most
constexpr int64_t kSendWithinUs = kSecondUs;  // CONTRACTS §8
constexpr std::ptrdiff_t kMostStrangers = 4;  // they are told, but may not take the agent's places
constexpr int64_t kFarUs = 60 * kSecondUs;

struct Connection {
  UniqueFd fd;
  int64_t deadline_us = 0;
  bool stranger = false;  ///< may not speak: what it sends is thrown away
};

class Serving {
 public:
  Serving(int listening, Helper& helper, const Settings& settings, const Clock& clock,
          const ServerOptions& options)
      : listening_(listening),
        helper_(helper),
        settings_(settings),
        clock_(clock),
        options_(options),
        busy_us_(clock.boot_us()) {}

  /// False when it is time to leave.
  Result<bool> turn() {
    std::vector<pollfd> watched{{options_.stop_fd, POLLIN, 0}};
    const bool room = connections_.size() < kMostConnections;
    watched.push_back({room ? listening_ : -1, POLLIN, 0});
    for (const auto& each : connections_) watched.push_back({each.fd.get(), POLLIN, 0});
    const int ready = ::poll(watched.data(), watched.size(), timeout_ms());
    if (ready < 0 && errno != EINTR) return fail("poll: " + errno_text(errno));
    if (ready < 0) return true;
    if (watched[0].revents != 0) return false;
    for (size_t i = 0; i < connections_.size(); ++i) {
      if (watched[i + 2].revents != 0) receive(connections_[i]);
    }
    drop_late();
    std::erase_if(connections_, [](const Connection& each) { return !each.fd; });
    if (watched[1].revents != 0) accept_one();
    return !idle();
  }

 private:
  [[nodiscard]] bool idle() const {
    return options_.idle_us && connections_.empty() &&
           clock_.boot_us() - busy_us_ >= *options_.idle_us;
  }

  [[nodiscard]] int timeout_ms() const {
    const int64_t now = clock_.boot_us();
    int64_t next = now + kFarUs;
    for (const auto& each : connections_) next = std::min(next, each.deadline_us);
    if (options_.idle_us) next = std::min(next, busy_us_ + *options_.idle_us);
    return static_cast<int>(std::max<int64_t>(next - now, 0) / 1000) + 1;
  }

  void accept_one() {
    UniqueFd fd(::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    busy_us_ = clock_.boot_us();
    ucred peer{};
    socklen_t size = sizeof(peer);
    const bool known = ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    const bool stranger = !known || !peer_allowed(peer.uid, ::geteuid(), settings_.peers);
    if (stranger) {
      if (const auto more = limit_.pass("stranger", busy_us_)) {
        log::warning("uid {} may not speak to the helper ({} more)", peer.uid, *more);
      }
      if (std::ranges::count(connections_, true, &Connection::stranger) >= kMostStrangers) return;
    }
    connections_.push_back({std::move(fd), busy_us_ + kSendWithinUs, stranger});
  }

  void receive(Connection& connection) {
    const ssize_t size =
        ::recv(connection.fd.get(), packet_.data(), packet_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    // Hanging up before it has sent would take the refusal from it.
    if (size > 0 && connection.stranger) {
      reply(connection.fd, Helper::refuse_peer());
    } else if (size > 0) {
      const auto sent = static_cast<size_t>(size);
      const std::span<const uint8_t> packet(packet_.data(), std::min(sent, packet_.size()));
      reply(connection.fd, helper_.answer(packet, sent));
    }
    connection.fd.reset();
  }

  void drop_late() {
    const int64_t now = clock_.boot_us();
    for (auto& each : connections_) {
      if (!each.fd || each.deadline_us > now) continue;
      reply(each.fd, each.stranger ? Helper::refuse_peer() : too_late());
      each.fd.reset();
    }
  }

  static HelperReply too_late() {
    return {.answer = HelperAnswer::refused,
            .refusal = Refusal::bad_request,
            .text = "nothing was sent within a second"};
  }

  static void reply(const UniqueFd& fd, const HelperReply& reply) {
    const Bytes bytes = wire::encode(reply);
    if (::send(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      log::debug("a peer left before its answer: {}", errno_text(errno));
    }
  }

  const int listening_;
  Helper& helper_;
  const Settings& settings_;
  const Clock& clock_;
  const ServerOptions& options_;
  int64_t busy_us_;
  std::vector<Connection> connections_;
  log::RateLimited limit_;
  alignas(16) std::array<uint8_t, wire::kMaxCommandBytes> packet_{};
};

}  // namespace

Result<void> serve(const UniqueFd& listening, Helper& helper, const Settings& settings,
                   const Clock& clock, const ServerOptions& options) {
  Serving serving(listening.get(), helper, settings, clock, options);
  for (;;) {
    const auto go_on = serving.turn();
    if (!go_on) return std::unexpected(go_on.error());
    if (!*go_on) return {};
  }
}

}  // namespace serin::helper
