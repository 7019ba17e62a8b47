#include <signal.h>
#include <unistd.h>

#include <fmt/core.h>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <thread>

#include "demo/shop/access_log.h"
#include "demo/shop/config.h"
#include "demo/shop/data.h"
#include "demo/shop/pages.h"
#include "demo/shop/release.h"
#include "demo/shop/server.h"

namespace {

constexpr auto kDrain =
    std::chrono::milliseconds(350);  // the next release must not wait for a slow partner
constexpr int kUsage = 64;
constexpr int kBadConfig = 78;

int complain(const serin::Error& error, int status) {
  fmt::print(stderr, "shop: {}\n", error.message);
  return status;
}

int init(std::string_view folder, std::string_view seed_text) {
  uint64_t seed = 1;
  std::from_chars(seed_text.data(), seed_text.data() + seed_text.size(), seed);
  auto written = shop::write_data(folder, seed, {});
  return written ? 0 : complain(written.error(), 1);
}

int list_behaviours() {
  for (const auto& row : shop::behaviours()) fmt::print("{:<12} {}\n", row.name, row.what);
  return 0;
}

/// How long the shop waits for the partner, as this release reads the configuration.
serin::Result<int> payment_timeout(const shop::Config& config, const shop::Release& release) {
  if (!release.traits.timeout_in_seconds) return shop::milliseconds_of(config.payment_timeout);
  int seconds = 0;  // the bug: staging says "2", production "800ms"
  const auto& text = config.payment_timeout;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return serin::fail(fmt::format("payment_timeout: '{}' is not a number of seconds", text));
  }
  return seconds * 1000;
}

int serve(const char* config_file) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);  // before any thread: all of them inherit it
  signal(SIGPIPE, SIG_IGN);

  auto config = shop::load_config(config_file);
  if (!config) return complain(config.error(), kBadConfig);
  auto folder = shop::own_folder();
  if (!folder) return complain(folder.error(), 1);
  auto release = shop::load_release(*folder);
  if (!release) return complain(release.error(), kBadConfig);
  auto log = shop::AccessLog::open(config->access_log);
  if (!log) return complain(log.error(), 1);
  auto catalogue = shop::Pool::open(config->data / "shop.db");
  if (!catalogue) return complain(catalogue.error(), 1);
  auto orders = shop::Orders::open(config->orders);
  if (!orders) return complain(orders.error(), 1);
  if (auto warm = (*catalogue)->warm_up(); !warm) return complain(warm.error(), 1);
  auto timeout = payment_timeout(*config, *release);
  if (!timeout) return complain(timeout.error(), kBadConfig);

  auto counters = shop::Counters::to(config->statsd);
  if (!counters) return complain(counters.error(), kBadConfig);

  shop::Payment payment({.host = config->partner_host,
                         .port = config->partner_port,
                         .timeout_ms = *timeout,
                         .client = config->client},
                        release->traits, &*counters);
  shop::Pages pages(*release, **catalogue, **orders, payment, &*counters);
  auto server = shop::Server::start(
      {.port = config->port, .release = release->name},
      [&pages](const shop::Request& request) { return pages.answer(request); },
      [&log](const shop::Served& served) {
        log->write({.remote = served.remote,
                    .request = served.request_line,
                    .status = served.status,
                    .body_bytes = served.body_bytes,
                    .seconds = served.seconds},
                   std::time(nullptr));
      });
  if (!server) return complain(server.error(), 1);
  fmt::print("shop {} listens on 127.0.0.1:{}\n", release->name, (*server)->port());
  std::fflush(stdout);
  int received = 0;
  sigwait(&stop, &received);
  if (!(*server)->drain(kDrain))
    ::_exit(0);  // somebody still waits for the partner: nginx would cut it as well
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "--behaviours") return list_behaviours();
  if (verb == "--init" && argc >= 3) return init(argv[2], argc > 3 ? argv[3] : "1");
  if (verb == "--config" && argc == 3) return serve(argv[2]);
  fmt::print(stderr, "usage: shop --config FILE | shop --init FOLDER [SEED] | shop --behaviours\n");
  return kUsage;
}
