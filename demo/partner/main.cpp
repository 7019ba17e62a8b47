// The payment partner: another company's service, as it looks from the shop. Mostly quick,
// sometimes slow, rarely broken.
#include <signal.h>

#include <fmt/core.h>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <thread>

#include "demo/draw/draw.h"
#include "demo/shop/server.h"

namespace {

constexpr double kMedianMs = 25.0;
constexpr double kSigma = 0.8;
constexpr double kMostMs = 5000.0;
constexpr double kDeclined = 0.03;
constexpr double kBroken = 0.004;
constexpr int kUsage = 64;

struct Fate {
  double ms = 0;
  unsigned status = 200;
  uint64_t receipt = 0;
};

class Partner {
 public:
  explicit Partner(uint64_t seed) : draw_(seed) {}

  shop::Response charge() {
    const Fate fate = draw_fate();
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(fate.ms));
    if (fate.status == 503)
      return {.status = 503, .body = "try again later\n", .type = "text/plain"};
    if (fate.status == 402) return {.status = 402, .body = "declined\n", .type = "text/plain"};
    return {.body = fmt::format("{:016x}", fate.receipt), .type = "text/plain"};
  }

 private:
  Fate draw_fate() {
    const std::lock_guard lock(mutex_);
    Fate fate{.ms = std::min(kMostMs, draw_.lognormal(kMedianMs, kSigma)), .receipt = draw_.bits()};
    const double luck = draw_.unit();
    if (luck < kBroken) {
      fate.status = 503;
    } else if (luck < kBroken + kDeclined) {
      fate.status = 402;
    }
    return fate;
  }
  std::mutex mutex_;
  shop::Draw draw_;
};

}  // namespace

int main(int argc, char** argv) {
  int port = -1;
  uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i], value = argv[i + 1];
    if (name == "--port") std::from_chars(value.data(), value.data() + value.size(), port);
    if (name == "--seed") std::from_chars(value.data(), value.data() + value.size(), seed);
  }
  if (port < 0 || port > 65535) {
    fmt::print(stderr, "usage: shop-partner --port N [--seed N]\n");
    return kUsage;
  }
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  Partner partner(seed);
  auto server = shop::Server::start(
      {.port = port, .release = "partner"},
      [&partner](const shop::Request& request) -> shop::Response {
        if (request.path == "/charge") return partner.charge();
        if (request.path == "/healthz") return {.body = "ok\n", .type = "text/plain"};
        return {.status = 404, .body = "not here\n", .type = "text/plain"};
      },
      [](const shop::Served&) {});
  if (!server) {
    fmt::print(stderr, "shop-partner: {}\n", server.error().message);
    return 1;
  }
  fmt::print("partner listens on 127.0.0.1:{}\n", (*server)->port());
  std::fflush(stdout);
  int received = 0;
  sigwait(&stop, &received);
  return 0;
}
