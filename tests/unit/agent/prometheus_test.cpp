#include "agent/request/prometheus.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <mutex>

#include "tests/unit/agent/page_server.h"
#include "tests/unit/agent/run_until.h"

namespace serin::agent {
namespace {

constexpr int64_t kNoonUs = 1'795'176'000'000'000;

class PrometheusTest : public testing::Test {
 protected:
  PrometheusTest() {
    service_.name = "api";
    service_.requests.push_back({.source = "prometheus",
                                 .url = {.host = "127.0.0.1", .port = 0, .target = "/metrics"},
                                 .requests = {*MetricSelector::parse("n_total")}});
    timeline_.begin("g1", "v1", kNoonUs);
  }
  void open(std::function<PageServer::Answer()> answer) {
    server_.emplace(std::move(answer));
    service_.requests[0].url.port = server_->port();
    open();
  }
  void open() {
    auto source = make_request_source(service_, 0, {.loop = loop_.get()});
    ASSERT_TRUE(source) << source.error().message;
    source_ = std::move(*source);
    source_->start(timeline_, tallies_);
  }
  static PageServer::Answer page(std::string_view text) {
    return {.bytes =
                fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", text.size(), text)};
  }
  /// Polls each 50 ms, as starts and ends would, until `done`.
  bool poll_until(const std::function<bool()>& done) {
    UvTimer again(loop_.get(), [this] {
      source_->poll(timeline_, kNoonUs, tallies_);
      uint64_t now = tallies_.take(1).requests.requests;
      counted_ += now;
      if (now > 0) whole_ = source_->is_complete();
    });
    again.start(0, 50);
    return run_until(loop_, done);
  }

  UvLoop loop_;
  ServiceFile service_;
  Timeline timeline_;
  Tallies tallies_{0};
  std::optional<PageServer> server_;
  std::unique_ptr<RequestSource> source_;
  uint64_t counted_ = 0;
  std::optional<bool> whole_;  ///< were the last requests all of their interval?
};

TEST_F(PrometheusTest, CountsFromTheSecondPageOn) {
  std::atomic<int> total = 1000;
  open([&] { return page(fmt::format("n_total {}\n", total += 10)); });
  EXPECT_TRUE(poll_until([&] { return counted_ == 20; }));
  EXPECT_EQ(server_->served(), 3);
  EXPECT_EQ(source_->problem(), "");
}

TEST_F(PrometheusTest, ATargetThatHangsIsGivenUpWithinTheInterval) {
  open([&] {
    return PageServer::Answer{.bytes = "HTTP/1.1 200 OK\r\n", .after = PageServer::After::hang};
  });
  uint64_t begin_ms = uv_now(loop_.get());
  ASSERT_TRUE(poll_until([&] { return !source_->problem().empty(); }));
  EXPECT_LT(uv_now(loop_.get()) - begin_ms, 1000U);
  EXPECT_NE(source_->problem().find("/metrics: it took too long"), std::string::npos);
  EXPECT_FALSE(source_->is_complete());
}

TEST_F(PrometheusTest, ATargetThatDripsIsGivenUpWithinTheInterval) {
  open([&] {
    return PageServer::Answer{.bytes = "HTTP/1.1 200 OK\r\n\r\nn_total 1\n",
                              .after = PageServer::After::drip};
  });
  uint64_t begin_ms = uv_now(loop_.get());
  ASSERT_TRUE(poll_until([&] { return !source_->problem().empty(); }));
  EXPECT_LT(uv_now(loop_.get()) - begin_ms, 1000U);
  EXPECT_NE(source_->problem().find("/metrics: it took too long"), std::string::npos);
  EXPECT_EQ(counted_, 0U);
}

TEST_F(PrometheusTest, ATargetThatLiesAboutItsLengthCountsNothing) {
  std::atomic<int> turn = 0;
  open([&] {
    bool longer = turn++ % 2 == 0;
    return PageServer::Answer{
        .bytes = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nn_total {}\n",
                             longer ? 5000 : 3, turn * 10)};
  });
  ASSERT_TRUE(poll_until([&] { return !source_->problem().empty(); }));
  EXPECT_NE(source_->problem().find("ended after 11 bytes, before its end"), std::string::npos);
  ASSERT_TRUE(poll_until(
      [&] { return turn >= 2 && source_->problem().find("within") != std::string::npos; }));
  EXPECT_EQ(counted_, 0U);
}

TEST_F(PrometheusTest, WhereNobodyListensItSaysSo) {
  {
    PageServer gone([] { return PageServer::Answer{}; });
    service_.requests[0].url.port = gone.port();
  }
  open();
  ASSERT_TRUE(poll_until([&] { return !source_->problem().empty(); }));
  EXPECT_NE(source_->problem().find("Connection refused"), std::string::npos);
}

TEST_F(PrometheusTest, AfterAGapCountsAreThereButNotWhole) {
  std::atomic<int> turn = 0;
  open([&] {
    int now = ++turn;
    return now == 2 ? page("n_total 9") : page(fmt::format("n_total {}\n", now * 10));
  });
  ASSERT_TRUE(poll_until([&] { return !source_->problem().empty(); }));
  EXPECT_NE(source_->problem().find("ends within a line"), std::string::npos);
  ASSERT_TRUE(poll_until([&] { return counted_ == 20; }));
  EXPECT_EQ(whole_, false);
  ASSERT_TRUE(poll_until([&] { return counted_ == 30; }));
  EXPECT_EQ(whole_, true);
}

TEST_F(PrometheusTest, APageOfAHundredThousandSeriesIsLeftAloneForAMinute) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += fmt::format("noise{{i=\"{}\"}} 1\n", i);
  open([&] { return page(text); });
  ASSERT_TRUE(poll_until([&] { return !source_->problem().empty(); }));
  EXPECT_NE(source_->problem().find("more than 50000 lines"), std::string::npos);
  uint64_t begin_ms = uv_now(loop_.get());
  ASSERT_TRUE(poll_until([&] { return uv_now(loop_.get()) - begin_ms > 1500; }));
  EXPECT_EQ(server_->served(), 1);
}

}  // namespace
}  // namespace serin::agent
