#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "aggregator/core/counter_book.h"
#include "aggregator/core/fold.h"
#include "aggregator/core/track.h"

// Named counters of the business on their way from samples to a verdict.

namespace serin::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'000'000 * kSecond;
constexpr int kHosts = 6;
constexpr int kPastSeconds = 300;

struct Shop {
  std::string counter = "orders";
  double usual = 0.3;   ///< a request
  double factor = 0.5;  ///< of the new version
  int interval_seconds = 1;
};

/// A fleet whose first host starts v2 after five minutes, and is watched for as long.
class Fleet {
 public:
  explicit Fleet(const std::string& policy_json) : fold_(*policy_from_json(policy_json)) {}

  DeployView deploy(const Shop& shop) {
    std::mt19937_64 random(7);
    for (int host = 0; host < kHosts; ++host) start(host, "v1", "");
    for (int second = 0; second < 2 * kPastSeconds; ++second) {
      now_ = kStart + (second + 1) * kSecond;
      if (second == kPastSeconds) start(0, "v2", "v1");
      for (int host = 0; host < kHosts; ++host) {
        if ((second + 1) % shop.interval_seconds == 0) report(host, second, shop, random);
      }
      if (auto deploys = fold_.deploys(); !deploys.empty() && !deploys[0].verdict.empty()) break;
    }
    return *fold_.deploy(fold_.deploys().at(0).id);
  }

 private:
  Identity from(int host) { return {"web-0" + std::to_string(host), "boot", 1, ++sequence_[host]}; }
  void give(std::variant<Sample, Event, Control> body) {
    fold_.step({.seq = ++seq_, .stored_us = now_, .body = std::move(body)});
  }
  void start(int host, const std::string& version, const std::string& previous) {
    Event e;
    e.from = from(host);
    e.service = "api";
    e.version = version;
    e.previous = previous;
    e.generation = version;
    give(std::move(e));
  }
  void report(int host, int second, const Shop& shop, std::mt19937_64& random) {
    Sample s;
    s.from = from(host);
    s.service = "api";
    s.version = s.generation = host == 0 && second >= kPastSeconds ? "v2" : "v1";
    s.interval_us = static_cast<uint32_t>(shop.interval_seconds * kSecond);
    const int ran = s.version == "v2" ? second - kPastSeconds : 1000 + second;
    s.process_age_us = static_cast<uint64_t>(ran) * kSecond;
    RequestMetrics requests;
    requests.requests = std::poisson_distribution<uint64_t>(100.0 * shop.interval_seconds)(random);
    const double share = shop.usual * (s.version == "v2" ? shop.factor : 1);
    const auto count = std::binomial_distribution<uint64_t>(requests.requests, share)(random);
    s.requests = requests;
    s.counters = {{shop.counter, static_cast<double>(count)}};
    give(std::move(s));
  }

  Fold fold_;
  int64_t now_ = kStart;
  uint64_t seq_ = 0;
  std::map<int, uint64_t> sequence_;
};

DeployView judged(const std::string& business, const Shop& shop) {
  return Fleet(R"({"default":{"business":)" + business + "}}").deploy(shop);
}

TEST(Business, ACounterThatNobodyMentionsHurtsWhenThereIsLessOfIt) {
  const auto less = judged("{}", {.factor = 0.5});
  EXPECT_EQ(less.verdict, "rollback");
  EXPECT_EQ(less.reason.metric, "orders");
  EXPECT_NEAR(*less.reason.effect, 0.5, 0.15);
  EXPECT_NE(judged("{}", {.factor = 1.5}).verdict, "rollback");
}

TEST(Business, ThePolicySaysWhichDirectionHurts) {
  const Shop refunds{.counter = "refunds", .usual = 0.1, .factor = 5};
  const auto more = judged(R"({"refunds":"higher"})", refunds);
  EXPECT_EQ(more.verdict, "rollback");
  EXPECT_EQ(more.reason.metric, "refunds");
  EXPECT_EQ(judged(R"({"refunds":"both"})", refunds).reason.metric, "refunds");
  EXPECT_NE(judged(R"({"refunds":"lower"})", refunds).verdict, "rollback");
}

TEST(Business, ACounterThatIsToBeIgnoredIsIgnored) {
  const auto deploy = judged(R"({"orders":"ignore"})", {.factor = 0.2});
  EXPECT_NE(deploy.verdict, "rollback");
  for (const auto& metric : deploy.metrics) EXPECT_NE(metric.metric, "orders");
}

TEST(Business, IsJudgedInStepsOfTenSecondsToo) {
  const auto deploy = judged("{}", {.factor = 0.2, .interval_seconds = 10});
  EXPECT_EQ(deploy.verdict, "rollback");
  EXPECT_EQ(deploy.reason.metric, "orders");
}

TEST(CounterBook, HasRoomForThoseThatThePolicyAsksFor) {
  CounterBook book;
  for (size_t i = 0; i < CounterBook::kMost; ++i) book.admit("counter " + std::to_string(i), false);
  book.admit("one too many", false);
  book.admit("one too many", false);
  book.admit("orders", true);
  EXPECT_FALSE(book.find("one too many"));
  EXPECT_EQ(book.find("counter 3"), 3U);
  EXPECT_EQ(book.find("orders"), CounterBook::kMost);
  EXPECT_THAT(book.left_out(), ElementsAre("one too many"));
}

TEST(CounterBook, LeavesOutWhatBearsTheNameOfAnotherMetric) {
  CounterBook book;
  book.admit("errors", true);
  book.admit("latency_p99", false);
  EXPECT_TRUE(book.names().empty());
  EXPECT_THAT(book.left_out(), ElementsAre("errors", "latency_p99"));
}

TEST(CounterBook, StaysSmallWhateverNamesItSees) {
  CounterBook book;
  for (int i = 0; i < 10'000; ++i) book.admit("user " + std::to_string(i), false);
  EXPECT_EQ(book.names().size(), CounterBook::kMost);
  EXPECT_LE(book.left_out().size(), 16U);
}

TEST(History, SumsCountersByBlockAndKnowsWhereOneWasNotReported) {
  CounterBook book;
  book.admit("logins", false);
  book.admit("orders", false);
  History history;
  Sample sample;
  sample.version = "v1";
  sample.counters = {{"orders", 2}, {"strange", 9}};
  history.add(1 * kSecond, sample, book);
  history.add(2 * kSecond, sample, book);
  const auto& business = history.blocks().at(0).business;
  ASSERT_EQ(business.size(), 2U);
  EXPECT_TRUE(std::isnan(business[0]));
  EXPECT_EQ(business[1], 4);
}

TEST(Business, CountersBeyondTheMostAreNamedInTheTimeline) {
  Fold fold{PolicySet{}};
  uint64_t sequence = 0;
  const auto started = [&](const std::string& version, const std::string& previous) {
    Event e;
    e.from = {"web-00", "boot", 1, ++sequence};
    e.service = "api";
    e.version = e.generation = version;
    e.previous = previous;
    fold.step({.seq = sequence, .stored_us = kStart + static_cast<int64_t>(sequence) * kSecond, .body = e});
  };
  started("v1", "");
  Sample s;
  s.from = {"web-00", "boot", 1, ++sequence};
  s.service = "api";
  s.version = s.generation = "v1";
  for (size_t i = 0; i <= CounterBook::kMost; ++i) s.counters.push_back({"c" + std::to_string(i), 1});
  fold.step({.seq = sequence, .stored_us = kStart + 2 * kSecond, .body = s});
  started("v2", "v1");
  const auto deploy = fold.deploys().at(0);
  const auto named = std::ranges::any_of(fold.deploy(deploy.id)->timeline, [](const TimelineEntry& entry) {
    return entry.text.find("c16") != std::string::npos;
  });
  EXPECT_TRUE(named);
}

}  // namespace
}  // namespace serin::core
