#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/request/statsd.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/sender.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using namespace std::string_view_literals;

constexpr int64_t kNoonUs = 1'795'176'000'000'000;

TEST(StatsdLine, TypesRatesAndTags) {
  auto line = parse_statsd("web.time:12.5|ms|@0.1|#code:200,env:prod,canary");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->name, "web.time");
  EXPECT_EQ(line->values, "12.5");
  EXPECT_EQ(line->type, StatsdLine::Type::timer);
  EXPECT_EQ(line->rate, 0.1);
  EXPECT_EQ(line->tag("code"), "200");
  EXPECT_EQ(line->tag("env"), "prod");
  EXPECT_EQ(line->tag("canary"), "");
  EXPECT_EQ(line->tag("cod"), "");
  EXPECT_EQ(parse_statsd("a:1|h")->type, StatsdLine::Type::timer);
  EXPECT_EQ(parse_statsd("a:1|d")->type, StatsdLine::Type::timer);
  EXPECT_EQ(parse_statsd("a:1|s")->type, StatsdLine::Type::set);
  EXPECT_EQ(parse_statsd("a:1|c|c:ci-abc|T165|#x:y")->tag("x"), "y");
}

TEST(StatsdLine, WhatMakesNoSenseIsRefused) {
  for (std::string_view text : {"", ":", "a", "a:", "a:1", "a:|c", ":1|c", "a:1|x", "a:1|c|@0",
                                "a:1|c|@2", "a:1|c|@-1", "a:1|c|@nan", "a:1|c|@1e-9", "a|1|c"}) {
    EXPECT_FALSE(parse_statsd(text)) << text;
  }
  EXPECT_FALSE(parse_statsd(std::string(600, 'a') + ":1|c"));
}

TEST(StatsdLine, ValuesAreNumbersOneAfterTheOther) {
  std::string_view values = "1:+2.5:-3:x:inf:1e300:4";
  EXPECT_EQ(next_value(values)->value, 1);
  EXPECT_TRUE(next_value(values)->is_change);
  EXPECT_EQ(next_value(values)->value, -3);
  EXPECT_FALSE(next_value(values));
  EXPECT_FALSE(next_value(values));
  EXPECT_FALSE(next_value(values));
  EXPECT_EQ(next_value(values)->value, 4);
  EXPECT_TRUE(values.empty());
}

class StatsdTest : public testing::Test {
 protected:
  StatsdTest() {
    service_.name = "api";
    service_.requests.push_back({.source = "statsd", .listen = folder_ / "statsd.sock"});
    wanted().requests = {select("web.requests")};
    timeline_.begin("g1", "v1", kNoonUs);
  }
  static MetricSelector select(std::string_view text) { return *MetricSelector::parse(text); }
  ServiceFile::Requests& wanted() { return service_.requests[0]; }
  void open() {
    auto source = make_request_source(
        service_, 0, {.datagrams = &datagrams_, .wall_us = [this] { return now_us_; }});
    ASSERT_TRUE(source) << source.error().message;
    source_ = std::move(*source);
    source_->start(timeline_, tallies_);
    sender_.emplace(wanted().listen);
  }
  Tally send(std::string_view text, uint32_t span = 1) {
    EXPECT_TRUE(sender_->send(text));
    return poll(span);
  }
  Tally poll(uint32_t span = 1) {
    source_->poll(timeline_, now_us_, tallies_);
    return tallies_.take(span);
  }

  TempFolder folder_;
  UvLoop loop_;
  Datagrams datagrams_{loop_.get()};
  ServiceFile service_;
  Timeline timeline_;
  Tallies tallies_{2};
  int64_t now_us_ = kNoonUs + 1'000'000;
  std::unique_ptr<RequestSource> source_;
  std::optional<Sender> sender_;
};

TEST_F(StatsdTest, CountersAndTimersBecomeRequests) {
  wanted().errors = {select("web.errors")};
  wanted().latency = {select("web.time")};
  open();
  Tally tally = send("web.requests:3|c\nweb.errors:1|c\nweb.time:100:200|ms\nother:9|c\n");
  EXPECT_EQ(tally.requests.requests, 2U);
  EXPECT_EQ(tally.requests.errors, 1U);
  EXPECT_EQ(tally.requests.latency.total(), 2U);
  EXPECT_EQ(tally.requests.latency.at(ExpHistogram::index_of(0.1)), 1U);
  EXPECT_EQ(tally.answered, 1U);
  EXPECT_EQ(tally.failed, 1U);
  EXPECT_EQ(poll().requests.requests, 1U);  // whose duration did not come
  EXPECT_EQ(poll().requests.requests, 0U);
  EXPECT_EQ(source_->skipped(), 0U);
  EXPECT_EQ(source_->no_latency(), "");
}

TEST_F(StatsdTest, SampleRatesAreMultipliedBackToTheRequest) {
  wanted().latency = {select("web.time")};
  wanted().requests.clear();
  open();
  uint64_t requests = 0, durations = 0;
  for (int i = 0; i < 100; ++i) {
    Tally tally = send("web.time:5|ms|@0.3");
    requests += tally.requests.requests;
    durations += tally.requests.latency.total();
    ASSERT_LE(tally.requests.latency.total(), tally.requests.requests);
  }
  EXPECT_NEAR(static_cast<double>(requests), 333, 1);
  EXPECT_NEAR(static_cast<double>(durations), 333, 1);
}

TEST_F(StatsdTest, StatusesMayStandInATag) {
  wanted().status_label = "code";
  open();
  Tally tally = send(
      "web.requests:4|c|#code:200\nweb.requests:1|c|#code:503\nweb.requests:1|c|#code:5xx\n"
      "web.requests:1|c|#code:404\nweb.requests:2|c|#code:429\nweb.requests:1|c|#x:y");
  EXPECT_EQ(tally.requests.requests, 10U);
  EXPECT_EQ(tally.requests.errors, 2U);
  EXPECT_EQ(tally.requests.client, 1U);
  EXPECT_EQ(tally.requests.limited, 2U);
}

TEST_F(StatsdTest, AFailureThatIsToldBeforeItsRequestIsOneRequest) {
  wanted().errors = {select("web.errors")};
  open();
  Tally first = send("web.errors:5|c");
  EXPECT_EQ(first.requests.requests, 5U);
  EXPECT_EQ(first.requests.errors, 5U);
  Tally second = send("web.requests:8|c");
  EXPECT_EQ(second.requests.requests, 3U);
  EXPECT_EQ(second.requests.errors, 0U);
}

TEST_F(StatsdTest, ADurationThatComesAfterItsRequestIsNoOtherRequest) {
  wanted().latency = {select("web.time")};
  open();
  uint64_t requests = send("web.requests:3|c\nweb.time:1:1|ms").requests.requests;
  requests += send("web.requests:2|c\nweb.time:1:1:1|ms").requests.requests;
  requests += poll().requests.requests;
  EXPECT_EQ(requests, 5U);
}

TEST_F(StatsdTest, AnAmountBeyondAllSenseIsCut) {
  open();
  EXPECT_EQ(send("web.requests:1e15|c|@0.000001").requests.requests, 1'000'000'000U);
  EXPECT_EQ(send("web.requests:1|c").requests.requests, 1U);
}

TEST_F(StatsdTest, ACountThatNeverComesIsNotOwedForEver) {
  wanted().errors = {select("web.errors")};
  open();
  send("web.errors:5|c");
  for (int i = 0; i <= RequestLane::kMostOwedFlushes; ++i) poll();
  EXPECT_EQ(send("web.requests:8|c").requests.requests, 8U);
}

TEST_F(StatsdTest, ATimerBelongsToTheGenerationThatRanWhenItsRequestBegan) {
  wanted().requests.clear();
  wanted().latency = {select("web.time")};
  open();
  timeline_.begin("g2", "v2", kNoonUs + 900'000);
  Tally old = send("web.time:500|ms\nweb.time:50|ms", 1);
  EXPECT_EQ(old.requests.requests, 1U);
  EXPECT_EQ(tallies_.take(2).requests.requests, 1U);
}

TEST_F(StatsdTest, ATagTellsTwoVersionsApart) {
  wanted().version_field = "version";
  open();
  timeline_.begin("g2", "v2", kNoonUs + 900'000);
  Tally old = send("web.requests:2|c|#version:v1\nweb.requests:1|c|#version:v2", 1);
  EXPECT_EQ(old.requests.requests, 2U);
  EXPECT_EQ(tallies_.take(2).requests.requests, 1U);
}

TEST_F(StatsdTest, BusinessIsCountedAndLevelsAreKept) {
  service_.business = {{.name = "orders", .metric = {select("shop.orders")}},
                       {.name = "queue", .metric = {select("shop.queue")}}};
  open();
  Tally tally = send("shop.orders:2.5|c\nshop.orders:-1|c\nshop.queue:7|g\nshop.queue:-2|g");
  EXPECT_EQ(tally.business[0], 2.5);
  EXPECT_THAT(tally.levels, testing::ElementsAre(std::pair<size_t, double>(1, 5)));
  tally = poll();
  EXPECT_EQ(tally.business[0], 0);
  EXPECT_THAT(tally.levels, testing::ElementsAre(std::pair<size_t, double>(1, 5)));
}

TEST_F(StatsdTest, ATagTellsClassesApart) {
  wanted().errors = {select("web.errors")};
  wanted().latency = {select("web.time")};
  service_.classes = {{.name = "checkout", .label = "route", .prefix = "/checkout"}};
  open();
  Tally tally = send(
      "web.requests:3|c|#route:/checkout/1\nweb.errors:1|c|#route:/checkout/1\n"
      "web.time:10:20:30|ms|#route:/checkout/1\nweb.requests:1|c|#route:/\nweb.time:5|ms|#route:/");
  ASSERT_EQ(tally.requests.classes.size(), 2U);
  EXPECT_EQ(tally.requests.classes[0].name, "checkout");
  EXPECT_EQ(tally.requests.classes[0].requests, 3U);
  EXPECT_EQ(tally.requests.classes[0].errors, 1U);
  EXPECT_EQ(tally.requests.classes[0].latency.total(), 3U);
  EXPECT_EQ(tally.requests.classes[1].name, "other");
  EXPECT_EQ(tally.requests.classes[1].requests, 1U);
  EXPECT_EQ(tally.requests.requests, 4U);
}

TEST_F(StatsdTest, AMetricThatLacksTheTagMakesNoClassLargerThanTheWhole) {
  wanted().errors = {select("web.errors")};
  wanted().latency = {select("web.time")};
  service_.classes = {{.name = "checkout", .label = "route", .prefix = "/checkout"}};
  open();
  uint64_t requests = 0;
  for (int i = 0; i < 5; ++i) {
    Tally tally = send("web.requests:2|c|#route:/checkout\nweb.errors:1|c\nweb.time:10:20|ms");
    requests += tally.requests.requests;
    uint64_t in_classes = 0, failed = 0;
    for (const auto& part : tally.requests.classes) {
      in_classes += part.requests;
      failed += part.errors;
      EXPECT_LE(part.latency.total(), part.requests);
      EXPECT_LE(part.errors, part.requests);
    }
    EXPECT_LE(in_classes, tally.requests.requests);
    EXPECT_LE(failed, tally.requests.errors);
  }
  EXPECT_EQ(requests, 10U);
}

TEST_F(StatsdTest, ForTheBusinessAloneThereAreNoRequests) {
  wanted().requests.clear();
  service_.business.push_back({.name = "orders", .metric = {select("shop.orders")}});
  open();
  Tally tally = send("shop.orders:3|c\nweb.requests:1|c\nweb.time:10|ms");
  EXPECT_EQ(tally.business[0], 3);
  EXPECT_EQ(tally.requests.requests, 0U);
  EXPECT_EQ(tally.answered, 0U);
  EXPECT_FALSE(source_->counts_requests());
  EXPECT_EQ(source_->no_latency(), "");
}

TEST_F(StatsdTest, GarbageIsCountedAndLeavesTheRestAlone) {
  open();
  std::string text = "\n\nnonsense\nweb.requests:x|c\n\xFF\xFE:1|q\nweb.requests:1|c\r\n";
  text += "web\0requests:1|c\n_e{1,2}:a|bc\n_sc|x|0"sv;
  Tally tally = send(text);
  EXPECT_EQ(tally.requests.requests, 1U);
  EXPECT_EQ(source_->skipped(), 3U);
}

TEST_F(StatsdTest, AFloodIsCountedOrKnownToBeLost) {
  wanted().listen = "127.0.0.1:0";
  open();
  // Only the subscription knows the port that the kernel chose.
  auto peek = datagrams_.subscribe(wanted().listen, [](std::string_view) {});
  ASSERT_TRUE(peek);
  Sender sender(peek->socket().port());
  constexpr size_t kSent = 60'000;
  for (size_t i = 0; i < kSent; ++i)
    ASSERT_TRUE(sender.send(fmt::format("web.requests:1|c\nnoise.{}:1|c|#id:{}", i, i)));
  uint64_t counted = 0;
  bool was_complete = true;
  std::string told;
  for (uint64_t before = UINT64_MAX; counted != before;) {
    before = counted;
    counted += poll().requests.requests;
    was_complete = was_complete && source_->is_complete();
    told += source_->problem();
  }
  EXPECT_EQ(counted + source_->skipped(), kSent);
  EXPECT_GT(source_->skipped(), 0U);
  EXPECT_FALSE(was_complete);
  EXPECT_NE(told.find("datagrams of the last interval were lost"), std::string::npos);
  EXPECT_TRUE(source_->is_complete());  // by the last poll
}

}  // namespace
}  // namespace serin::agent
