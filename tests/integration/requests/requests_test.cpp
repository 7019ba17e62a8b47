#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/request/datagrams.h"
#include "agent/request/request_source.h"
#include "tests/integration/requests/servers.h"
#include "tests/unit/agent/temp_folder.h"

// What real programs write, under load, against what the load generator knows: to the request.

namespace serin::agent {
namespace {

constexpr int kRequests = 1500, kParallel = 40;
constexpr int kQuietRequests = 400, kQuietParallel = 8;
constexpr int kRotations = 3;

std::string traffic() {
  return std::string(::getenv("SERIN_SOURCE")) + "/tests/integration/requests/traffic.py";
}
Program run_traffic(const std::string& mode, std::vector<int> numbers) {
  std::vector<std::string> argv = {"/usr/bin/python3", traffic(), mode};
  for (int number : numbers) argv.push_back(std::to_string(number));
  return Program(std::move(argv));
}

class RealPrograms : public testing::Test {
 protected:
  RealPrograms() {
    service_.name = "shop";
    std::filesystem::create_directories(folder_ / "state");
    std::filesystem::create_directories(folder_ / "server");
    timeline_.begin("g1", "v1", 0);
  }

  static int64_t now_us() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
  }
  /// A new follower, as after a restart of the agent.
  void follow() {
    source_.reset();
    auto source = make_request_source(service_, 0,
                                      {.state_dir = folder_ / "state",
                                       .boot_id = "boot",
                                       .datagrams = &datagrams_,
                                       .wall_us = now_us,
                                       .loop = loop_.get()});
    ASSERT_TRUE(source) << source.error().message;
    source_ = std::move(*source);
    source_->start(timeline_, tallies_);
    poll();
  }
  void poll() {
    source_->poll(timeline_, now_us(), tallies_);
    add(sum_, tallies_.take(1));
    source_->commit(1);
  }
  /// Turns the loop and polls for `ms`.
  void turn(uint64_t ms) {
    bool over = false;
    UvTimer timer(loop_.get(), [&] { over = true; });
    timer.start(ms);
    while (!over) loop_.run_once();
    poll();
  }
  /// Follows until `load` has said what it did and everything of it has come.
  void follow_load(Program& load, const std::function<void(int)>& each_turn) {
    std::optional<std::string> last;
    for (int i = 0; i < 1200 && !load.ended() && !(last = load.line()); ++i) {
      turn(50);
      each_turn(i);
    }
    if (!last) return;  // the caller says why
    truth_ = nlohmann::json::parse(*last);
    for (int i = 0; i < 100 && sum_.requests.requests < truth_["requests"]; ++i) turn(50);
    turn(100);
  }
  void expect_the_truth() {
    ASSERT_FALSE(truth_.is_null()) << "the load generator said nothing";
    EXPECT_EQ(sum_.requests.requests, truth_["requests"]);
    EXPECT_EQ(sum_.requests.errors, truth_["errors"]);
    EXPECT_EQ(sum_.requests.client, truth_["client"]);
    EXPECT_EQ(sum_.requests.limited, truth_["limited"]);
    EXPECT_EQ(source_->skipped(), 0U);
  }
  void expect_quantiles() {
    EXPECT_EQ(sum_.requests.latency.total(), truth_["requests"]);
    const auto& seconds = truth_["seconds"];
    for (double q : {0.5, 0.9, 0.99}) {
      auto place = static_cast<size_t>(std::ceil(q * static_cast<double>(seconds.size()))) - 1;
      int seen = ExpHistogram::index_of(sum_.requests.latency.quantile(q));
      int is = ExpHistogram::index_of(seconds[place].get<double>());
      EXPECT_LE(std::abs(seen - is), 1) << q << ": " << seconds[place];
    }
  }

  TempFolder folder_;
  UvLoop loop_;
  Datagrams datagrams_{loop_.get()};
  ServiceFile service_;
  Timeline timeline_;
  Tallies tallies_{0};
  Tally sum_;
  std::unique_ptr<RequestSource> source_;
  nlohmann::json truth_;
};

class RealLog : public RealPrograms {
 protected:
  using Start = std::optional<RealServer> (*)(const ServerSetting&);

  /// Serves with `start`, follows its log file through rotations and a restart of the follower.
  void follow_file(Start start, const std::string& program, const std::string& format) {
    auto upstream_port = free_port();
    Program upstream = run_traffic("upstream", {upstream_port});
    ASSERT_EQ(upstream.wait_for_line(), "ready");
    auto server = start({.folder = folder_ / "server", .upstream = upstream_port});
    if (!server) GTEST_SKIP() << program << " is not installed, or did not start";
    auto log = folder_ / "server/access.log";
    service_.requests.push_back({.source = "access_log", .path = log, .format = format});
    follow();
    Program load = run_traffic("load", {server->port, kRequests, kParallel});
    int rotations = 0;
    bool restarted = false;
    follow_load(load, [&](int) {
      bool due = sum_.requests.requests * (kRotations + 2) > uint64_t(rotations + 1) * kRequests;
      if (due && rotations < kRotations) {
        std::filesystem::rename(log, folder_ / fmt::format("server/access.log.{}", ++rotations));
        server->program.signal(server->reopen_signal);
      }
      if (rotations == 2 && !std::exchange(restarted, true)) follow();
    });
    EXPECT_EQ(rotations, kRotations);
    EXPECT_TRUE(restarted);
    expect_the_truth();
    expect_durations_of(server->port);
  }

  void follow_syslog(Start start, const std::string& program, const std::string& format) {
    auto upstream_port = free_port();
    Program upstream = run_traffic("upstream", {upstream_port});
    ASSERT_EQ(upstream.wait_for_line(), "ready");
    service_.requests.push_back(
        {.source = "syslog", .format = format, .listen = "127.0.0.1:0", .tag = "shop"});
    follow();
    auto port = datagrams_.subscribe("127.0.0.1:0", [](std::string_view) {})->socket().port();
    auto server = start({.folder = folder_ / "server", .upstream = upstream_port, .syslog = port});
    if (!server) GTEST_SKIP() << program << " is not installed, or did not start";
    Program load = run_traffic("load", {server->port, kRequests, kParallel});
    follow_load(load, [](int) {});
    expect_the_truth();
    expect_durations_of(server->port);
  }

  /// With a little load, so that client and server mean the same: under much of it, and while a
  /// server is about its rotation, a request waits where the server does not see it yet.
  void expect_durations_of(uint16_t port) {
    sum_of_load_ = std::exchange(sum_, {});
    Program load = run_traffic("load", {port, kQuietRequests, kQuietParallel});
    follow_load(load, [](int) {});
    expect_the_truth();
    expect_quantiles();
  }
  Tally sum_of_load_;
};

TEST_F(RealLog, NginxByFileThroughRotationsAndARestart) {
  follow_file(start_nginx, "nginx", "nginx_timed");
  if (IsSkipped()) return;
  EXPECT_EQ(sum_.sized - sum_.full_answers, truth_["empty"]);
  EXPECT_GT(sum_of_load_.sized, sum_of_load_.full_answers);
}

TEST_F(RealLog, NginxBySyslog) {
  follow_syslog(start_nginx, "nginx", "nginx_timed");
}

TEST_F(RealLog, ApacheByFileThroughRotationsAndARestart) {
  follow_file(start_apache, "apache2", "apache_timed");
}

TEST_F(RealLog, HaproxyBySyslog) {
  follow_syslog(start_haproxy, "haproxy", "haproxy");
}

MetricSelector select(std::string_view text) {
  return *MetricSelector::parse(text);
}

TEST_F(RealPrograms, StatsdClientOfPython) {
  service_.requests.push_back({.source = "statsd",
                               .listen = "127.0.0.1:0",
                               .requests = {select("web.requests")},
                               .errors = {select("web.errors")},
                               .latency = {select("web.time")}});
  follow();
  auto port = datagrams_.subscribe("127.0.0.1:0", [](std::string_view) {})->socket().port();
  Program load = run_traffic("statsd", {port, 20'000});
  follow_load(load, [](int) {});
  if (load.ended() && truth_.is_null()) GTEST_SKIP() << "python3-statsd is not installed";
  EXPECT_EQ(sum_.requests.requests, truth_["requests"]);
  EXPECT_EQ(sum_.requests.errors, truth_["errors"]);
  EXPECT_EQ(source_->skipped(), 0U);
  expect_quantiles();
}

TEST_F(RealPrograms, PrometheusClientOfPythonThroughItsRestart) {
  uint16_t port = free_port();
  service_.requests.push_back({.source = "prometheus",
                               .url = {.host = "127.0.0.1", .port = port, .target = "/metrics"},
                               .requests = {select("http_requests_total")},
                               .latency = {select("http_seconds")},
                               .status_label = "code"});
  for (int life = 1; life <= 2; ++life) {
    Program application = run_traffic("prometheus", {port, 5'000});
    if (application.wait_for_line() != "ready")
      GTEST_SKIP() << "python3-prometheus-client is not installed";
    if (life == 1) follow();
    for (int i = 0; i < 60; ++i) turn(50);  // it is scraped before it counts
    ASSERT_EQ(source_->problem(), "");
    application.write_line();
    uint64_t before = sum_.requests.requests;
    sum_.requests.requests = 0;
    follow_load(application, [](int) {});
    sum_.requests.requests += before;
    ASSERT_FALSE(truth_.is_null());
    auto lives = static_cast<uint64_t>(life);
    uint64_t all = truth_["requests"].get<uint64_t>() * lives;
    EXPECT_EQ(sum_.requests.requests, all);
    EXPECT_EQ(sum_.requests.errors, truth_["errors"].get<uint64_t>() * lives);
    EXPECT_EQ(sum_.requests.latency.total(), all);
    application.write_line();
  }
  // Known to its own edges: exact there.
  auto slower = [&](double edge) {
    uint64_t count = 0;
    for (double seconds : truth_["seconds"]) count += seconds > edge ? 2 : 0;
    return count;
  };
  for (double edge : {0.05, 0.1, 0.15, 0.25})
    EXPECT_EQ(sum_.requests.latency.above(ExpHistogram::index_of(edge)), slower(edge)) << edge;
}

}  // namespace
}  // namespace serin::agent
