#include "aggregator/core/judge/placebo_book.h"

#include <gtest/gtest.h>

// What the record of untouched hosts does to a metric: counted, widened, advisory, trusted again.

namespace serin::judge {
namespace {

class Book : public testing::Test {
 protected:
  /// Ten hosts' runs end; those of `firing` fired, at these seconds.
  void round(std::vector<std::pair<uint32_t, int64_t>> firing, uint32_t hosts = 10,
             const std::string& metric = "errors") {
    now += 600;
    for (uint32_t h = 0; h < hosts; ++h) {
      PlaceboRun run{.host = h, .metrics = {{.name = metric}}};
      for (const auto& [host, at] : firing) {
        if (host == h) run.metrics.front().fired_step = (at - (now - 600)) / 10;
      }
      book.ended(run, now - 600, now);
    }
    for (auto& change : book.settle(now)) changes.push_back(std::move(change));
  }
  void quiet(int rounds) {
    for (int i = 0; i < rounds; ++i) round({});
  }
  PlaceboRecord record(const std::string& metric = "errors") {
    for (auto& one : book.records(now)) {
      if (one.metric == metric) return one;
    }
    return {};
  }
  PlaceboBook book;
  std::vector<TrustChange> changes;
  int64_t now = 0;
};

TEST_F(Book, OneFiringAnHourIsWithinWhatWasPromised) {
  round({{3, 100}});
  quiet(3);
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(record().fired_hour, 1u);
  EXPECT_EQ(record().runs_hour, 40u);
  EXPECT_DOUBLE_EQ(record().widening, 1);
}

TEST_F(Book, TwoHostsWithinTheHourWidenAndDemote) {
  round({{3, 100}});
  quiet(2);
  round({{5, now + 200}});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].metric, "errors");
  EXPECT_DOUBLE_EQ(changes[0].widening, 1.5);
  EXPECT_TRUE(changes[0].advisory);
  EXPECT_EQ(changes[0].why, "it fired on 2 of 10 untouched hosts in the last hour");
  ASSERT_EQ(book.trust().size(), 1u);
  EXPECT_TRUE(book.trust()[0].advisory);
}

TEST_F(Book, InALargeFleetTwoInAHundredMayFire) {
  round({{3, 100}, {20, 300}}, 120);
  EXPECT_TRUE(changes.empty());
  round({{40, now + 100}, {50, now + 200}, {60, now + 300}, {70, now + 400}}, 120);
  EXPECT_EQ(changes.size(), 1u) << "6 of 240";
}

TEST_F(Book, WhatFiresOnManyHostsAtOnceIsOneEventOfTheFleet) {
  round({{1, 100}, {2, 110}, {3, 120}, {4, 130}});
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(record().fired_hour, 4u) << "what people are shown is not made smaller";
}

TEST_F(Book, TwoEventsOfTheFleetAreTwo) {
  round({{1, 100}, {2, 110}, {3, 400}, {4, 410}});
  EXPECT_EQ(changes.size(), 1u);
}

TEST_F(Book, OneIllHostDoesNotTakeTheMetricFromAllOthers) {
  for (int i = 0; i < 6; ++i) round({{7, now + 50}});
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(record().fired_hour, 6u);
  EXPECT_EQ(record().hosts_fired_hour, 1u);
}

TEST_F(Book, TwoThatFiredMoreThanAnHourApartAreFine) {
  round({{3, 100}});
  quiet(6);
  round({{5, now + 200}});
  EXPECT_TRUE(changes.empty());
}

TEST_F(Book, WideningRepeatsOnFreshEvidenceOnly) {
  round({{1, 100}, {2, 300}});
  ASSERT_EQ(changes.size(), 1u);
  quiet(1);
  EXPECT_EQ(changes.size(), 1u) << "what fired before the change was judged by the old spread";
  round({{4, now + 100}, {5, now + 300}});
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_DOUBLE_EQ(changes[1].widening, 2.25);
}

TEST_F(Book, WideningEndsSomewhere) {
  for (int i = 0; i < 20; ++i) round({{1, now + 100}, {2, now + 300}});
  EXPECT_NEAR(record().widening, 11.4, 0.1);
}

TEST_F(Book, ACleanHourMakesItDecideAgainAndTheNextTakesTheWideningBack) {
  round({{1, 100}, {2, 300}});
  quiet(5);
  EXPECT_TRUE(record().advisory);
  quiet(1);
  EXPECT_FALSE(record().advisory);
  EXPECT_DOUBLE_EQ(record().widening, 1.5);
  quiet(6);
  EXPECT_DOUBLE_EQ(record().widening, 1);
  EXPECT_TRUE(book.trust().empty());
  EXPECT_EQ(changes.size(), 3u);
}

TEST_F(Book, AnHourWithoutRunsProvesNothing) {
  round({{1, 100}, {2, 300}});
  now += 7200;
  EXPECT_TRUE(book.settle(now).empty());
  EXPECT_TRUE(record().advisory);
}

TEST_F(Book, EachMetricHasItsOwnRecord) {
  round({{1, 100}, {2, 300}}, 10, "latency_p99");
  round({}, 10, "errors");
  EXPECT_TRUE(record("latency_p99").advisory);
  EXPECT_FALSE(record("errors").advisory);
}

TEST_F(Book, WhatWasRecordedBeforeARestartHolds) {
  round({{1, 100}, {2, 300}});
  PlaceboBook after;
  after.adopt(changes[0]);
  ASSERT_EQ(after.trust().size(), 1u);
  EXPECT_DOUBLE_EQ(after.trust()[0].widening, 1.5);
  EXPECT_TRUE(after.trust()[0].advisory);
  EXPECT_EQ(after.records(now)[0].why, changes[0].why);
}

}  // namespace
}  // namespace serin::judge
