// The payment partner: another company's service, as it looks from the shop. Mostly quick,
// sometimes slow, rarely broken; it limits each client's calls, and a person looks at large payments.
#include <signal.h>

#include <fmt/core.h>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>

#include "demo/draw/draw.h"
#include "demo/shop/server.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr double kMedianMs = 25.0;
constexpr double kSigma = 0.8;
constexpr double kMostMs = 5000.0;
constexpr double kDeclined = 0.03;
constexpr double kBroken = 0.004;
constexpr int kRetryMs = 80;
constexpr int64_t kLargeCents = 10'000;  // from here on a person has a look
constexpr auto kPersonNeeds = std::chrono::seconds(45);
constexpr double kCallsPerSecond = 14;  // of one client, unless agreed otherwise
constexpr int kUsage = 64;

struct Fate {
  double ms = 0;
  unsigned status = 200;
  uint64_t receipt = 0;
  bool busy = false;
};

double burst_of(double calls_per_second) {
  return 2 * calls_per_second;
}

/// How many calls a client has left: a bucket that fills evenly.
struct Allowance {
  double calls;
  Clock::time_point at = Clock::now();

  bool take(double per_second) {
    const auto now = Clock::now();
    calls += std::chrono::duration<double>(now - at).count() * per_second;
    calls = std::min(calls, burst_of(per_second));
    at = now;
    if (calls < 1) return false;
    calls -= 1;
    return true;
  }
};

class Partner {
 public:
  Partner(uint64_t seed, double calls_per_second)
      : draw_(seed), calls_per_second_(calls_per_second) {}

  shop::Response answer(const shop::Request& request) {
    if (request.path == "/healthz") return text(200, "ok\n");
    if (request.path == "/degrade") return degrade(field(request, "share"));
    if (request.path == "/charged") return text(200, fmt::format("{}\n", charged_.load()));
    if (request.path == "/confirmation") return confirm(field(request, "cents"));
    if (request.path != "/charge" && request.path != "/quote") return text(404, "not here\n");
    if (!allowed(field(request, "client"))) return text(429, "slow down\n");
    return request.path == "/quote" ? text(200, "0\n") : charge();
  }

 private:
  static std::string field(const shop::Request& request, const char* name) {
    const auto at = request.query.find(name);
    return at == request.query.end() ? std::string() : at->second;
  }
  static shop::Response text(unsigned status, std::string body) {
    return {.status = status, .body = std::move(body), .type = "text/plain"};
  }

  shop::Response charge() {
    const Fate fate = draw_fate();
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(fate.ms));
    if (fate.busy) return text(503, fmt::format("busy retry_in_ms={}\n", kRetryMs));
    if (fate.status == 503) return text(503, "try again later\n");
    if (fate.status == 402) return text(402, "declined\n");
    ++charged_;
    return text(200, fmt::format("{:016x}", fate.receipt));
  }

  shop::Response confirm(const std::string& cents_text) const {
    int64_t cents = 0;
    std::from_chars(cents_text.data(), cents_text.data() + cents_text.size(), cents);
    if (cents >= kLargeCents) std::this_thread::sleep_for(kPersonNeeds);
    return text(200, "confirmed\n");
  }

  shop::Response degrade(const std::string& share_text) {
    double share = -1;
    std::from_chars(share_text.data(), share_text.data() + share_text.size(), share);
    if (!(share >= 0 && share <= 1)) return text(400, "share: 0 to 1\n");
    const std::lock_guard lock(mutex_);
    busy_share_ = share;
    return text(200, "degraded\n");
  }

  bool allowed(const std::string& client) {
    const std::lock_guard lock(mutex_);
    return allowances_.try_emplace(client, burst_of(calls_per_second_))
        .first->second.take(calls_per_second_);
  }

  Fate draw_fate() {
    const std::lock_guard lock(mutex_);
    Fate fate{.ms = std::min(kMostMs, draw_.lognormal(kMedianMs, kSigma)), .receipt = draw_.bits()};
    const double luck = draw_.unit();
    if (luck < kBroken) {
      fate.status = 503;
    } else if (luck < kBroken + kDeclined) {
      fate.status = 402;
    }
    fate.busy = busy_share_ > 0 && draw_.unit() < busy_share_;
    return fate;
  }

  std::mutex mutex_;
  shop::Draw draw_;
  const double calls_per_second_;
  std::map<std::string, Allowance> allowances_;
  double busy_share_ = 0;
  std::atomic<uint64_t> charged_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  int port = -1;
  uint64_t seed = 1;
  double limit = kCallsPerSecond;
  std::string listen = "127.0.0.1";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i], value = argv[i + 1];
    if (name == "--port") std::from_chars(value.data(), value.data() + value.size(), port);
    if (name == "--seed") std::from_chars(value.data(), value.data() + value.size(), seed);
    if (name == "--limit") std::from_chars(value.data(), value.data() + value.size(), limit);
    if (name == "--listen") listen = value;
  }
  if (port < 0 || port > 65535 || !(limit > 0)) {
    fmt::print(stderr,
               "usage: shop-partner --port N [--listen ADDRESS] [--limit CALLS_PER_SECOND] [--seed N]\n");
    return kUsage;
  }
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  Partner partner(seed, limit);
  auto server = shop::Server::start(
      {.port = port, .address = listen, .release = "partner"},
      [&partner](const shop::Request& request) { return partner.answer(request); },
      [](const shop::Served&) {});
  if (!server) {
    fmt::print(stderr, "shop-partner: {}\n", server.error().message);
    return 1;
  }
  fmt::print("partner listens on {}:{}\n", listen, (*server)->port());
  std::fflush(stdout);
  int received = 0;
  sigwait(&stop, &received);
  return 0;
}
