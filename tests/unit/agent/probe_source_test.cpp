#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>

#include "agent/request/probe.h"
#include "agent/request/probe_once.h"
#include "tests/unit/agent/page_server.h"
#include "tests/unit/agent/run_until.h"

namespace serin::agent {
namespace {

constexpr int64_t kNoonUs = 1'795'176'000'000'000;

PageServer::Answer page(std::string_view status, std::string_view text) {
  return {.bytes = fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n{}", status, text.size(),
                               text)};
}

/// A service without traffic, and a server that answers for it.
class ProbeSourceTest : public testing::Test {
 protected:
  ProbeSourceTest() {
    service_.name = "api";
    service_.requests.push_back({.source = "probe",
                                 .url = {.host = "127.0.0.1", .port = 0, .target = "/healthz"},
                                 .interval_seconds = 1,
                                 .timeout_seconds = 0.5});
    timeline_.begin("g1", "v1", kNoonUs);
  }
  void open(std::function<PageServer::Answer()> answer) {
    server_.emplace(std::move(answer));
    service_.requests[0].url.port = server_->port();
    open();
  }
  void open() {
    auto source = make_request_source(
        service_, 0, {.wall_us = [this] { return wall_us(); }, .loop = loop_.get()});
    ASSERT_TRUE(source) << source.error().message;
    source_ = std::move(*source);
    source_->start(timeline_, tallies_);
  }
  /// The host's clock: noon when the test began.
  int64_t wall_us() {
    return kNoonUs + static_cast<int64_t>((uv_hrtime() - begin_ns_) / 1000) + step_us_;
  }
  bool wait_for(uint64_t requests, uint32_t span = 1) {
    return run_until(loop_, [&] { return tallies_.of(span).requests.requests >= requests; });
  }
  const Tally& tally(uint32_t span = 1) { return tallies_.of(span); }

  UvLoop loop_;
  uint64_t begin_ns_ = uv_hrtime();
  int64_t step_us_ = 0;
  ServiceFile service_;
  Timeline timeline_;
  Tallies tallies_{0};
  std::optional<PageServer> server_;
  std::unique_ptr<RequestSource> source_;
};

TEST_F(ProbeSourceTest, EachAnswerIsOneRequestOfItsStatus) {
  std::atomic<int> turn = 0;
  open(
      [&] { return turn++ == 0 ? page("200 OK", "fine") : page("503 Service Unavailable", "no"); });
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(tally().requests.requests, 2U);
  EXPECT_EQ(tally().requests.errors, 1U);
  EXPECT_EQ(tally().answered, 2U);
  EXPECT_EQ(tally().requests.latency.total(), 2U);
  EXPECT_TRUE(source_->is_complete());
  EXPECT_EQ(source_->problem(), "");
}

TEST_F(ProbeSourceTest, ProbesBeginHalfASecondOffTheCutOfIntervals) {
  std::vector<int64_t> at_us;
  std::mutex lock;
  open([&] {
    std::lock_guard hold(lock);
    at_us.push_back(wall_us());
    return page("204 No Content", "");
  });
  ASSERT_TRUE(wait_for(3));
  std::lock_guard hold(lock);
  for (int64_t at : at_us) EXPECT_NEAR(static_cast<double>(at % 1'000'000), 500'000, 150'000);
  EXPECT_EQ((at_us[2] - at_us[0] + 500'000) / 1'000'000, 2);
}

TEST_F(ProbeSourceTest, WhatHangsIsAnErrorWithinItsTimeLimit) {
  open([&] {
    return PageServer::Answer{.bytes = "HTTP/1.1 200 OK\r\n", .after = PageServer::After::hang};
  });
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(tally().requests.errors, 2U);
  EXPECT_EQ(tally().answered, 0U);
  EXPECT_EQ(tally().requests.latency.total(), 0U);
}

TEST_F(ProbeSourceTest, RefusedClosedGarbledAndEndlessAreErrors) {
  std::atomic<int> turn = 0;
  open([&] {
    switch (turn++) {
      case 0:
        return PageServer::Answer{.bytes = ""};
      case 1:
        return PageServer::Answer{.bytes = "\x01\xff SSH-2.0-OpenSSH\r\n\r\n"};
      default:
        return PageServer::Answer{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"};
    }
  });
  ASSERT_TRUE(wait_for(3));
  EXPECT_EQ(tally().requests.errors, 3U);
  server_.reset();
  ASSERT_TRUE(wait_for(4));
  EXPECT_EQ(tally().requests.errors, 4U);
}

TEST_F(ProbeSourceTest, TenMegabytesAreReadToTheirEnd) {
  service_.requests[0].timeout_seconds = 1;
  open([&] { return page("200 OK", std::string(10'000'000, 'x')); });
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(tally().requests.errors, 0U);
  EXPECT_EQ(tally().answered, 1U);
}

TEST_F(ProbeSourceTest, AfterAnOutageItCountsOn) {
  std::atomic<bool> well = false;
  open([&] { return well ? page("200 OK", "fine") : PageServer::Answer{.bytes = ""}; });
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(tally().requests.errors, 1U);
  well = true;
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(tally().requests.errors, 1U);
  EXPECT_EQ(tally().answered, 1U);
}

TEST_F(ProbeSourceTest, AProbeBelongsToTheGenerationThatRanWhenItBegan) {
  service_.requests[0].timeout_seconds = 1;
  std::atomic<bool> asked = false, go_on = false;
  open([&] {
    asked = true;
    while (!go_on) std::this_thread::yield();
    return page("200 OK", "fine");
  });
  ASSERT_TRUE(run_until(loop_, [&] {
    UvTimer turn(loop_.get(), [] {});
    turn.start(5);
    loop_.run_once();
    return asked.load();
  }));
  uint32_t second = timeline_.begin("g2", "v2", wall_us());
  go_on = true;
  ASSERT_TRUE(wait_for(1));
  ASSERT_TRUE(wait_for(1, second));
  EXPECT_EQ(tally(1).requests.requests, 1U);
}

TEST_F(ProbeSourceTest, WhatAcceptsIsAliveByTcp) {
  service_.requests[0].url.target.clear();
  open([] { return PageServer::Answer{}; });
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(tally().answered, 1U);
  EXPECT_EQ(tally().requests.latency.total(), 1U);
  server_.reset();
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(tally().requests.errors, 1U);
}

TEST_F(ProbeSourceTest, AnAgentThatWasHeldUpDoesNotBlameTheService) {
  std::atomic<bool> asked = false;
  open([&] {
    asked = true;
    return PageServer::Answer{.bytes = "HTTP/1.1 200 OK\r\n", .after = PageServer::After::hang};
  });
  ASSERT_TRUE(run_until(loop_, [&] {
    UvTimer turn(loop_.get(), [] {});
    turn.start(5);
    loop_.run_once();
    return asked.load();
  }));
  uint64_t held_until = uv_hrtime() + 1'200'000'000;
  while (uv_hrtime() < held_until) std::this_thread::yield();  // as a throttled process is
  ASSERT_TRUE(run_until(loop_, [&] { return !source_->problem().empty(); }));
  EXPECT_EQ(tally().requests.requests, 0U);
  source_->poll(timeline_, wall_us(), tallies_);
  EXPECT_FALSE(source_->is_complete());
}

TEST(ProbePlan, AClockThatStepsMovesNoProbeFurtherThanItsInterval) {
  constexpr int64_t kSecond = 1'000'000;
  EXPECT_EQ(until_next_probe_ms(kNoonUs, kSecond), 500U);
  EXPECT_EQ(until_next_probe_ms(kNoonUs + 500'000, kSecond), 1000U);
  EXPECT_EQ(until_next_probe_ms(kNoonUs + 499'000, kSecond), 1001U);
  EXPECT_EQ(until_next_probe_ms(kNoonUs + 600'000, kSecond), 900U);
  EXPECT_EQ(until_next_probe_ms(kNoonUs, 10 * kSecond), 500U);
  EXPECT_EQ(until_next_probe_ms(kNoonUs + 2 * kSecond, 10 * kSecond), 8500U);
  EXPECT_EQ(until_next_probe_ms(-1, kSecond), 501U);
}

TEST(ProbeOnce, TellsCheckWhatItSaw) {
  PageServer server([] { return page("404 Not Found", ""); });
  ServiceFile::Requests requests{
      .source = "probe", .url = {.host = "127.0.0.1", .port = server.port(), .target = "/"}};
  EXPECT_EQ(probe_once(requests).probed.status, 404);
}

}  // namespace
}  // namespace serin::agent
