#include "aggregator/core/judge/placebo.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "aggregator/core/judge/families.h"
#include "aggregator/core/judge/spread.h"
#include "tests/unit/judge/placebo_service.h"

// Untouched hosts as canaries: who fires, what a run is, what it costs.

namespace serin::judge::test {
namespace {

constexpr int64_t kHour = 360;  // steps

/// Each host's errors are thirty times as many for five minutes, now and then: a variance that is
/// small on the whole says nothing of that.
double jumping(uint32_t host, int64_t step) {
  const auto slot = static_cast<uint64_t>((step + host * 37) / 30);
  uint64_t x = slot * 6364136223846793005ULL + host * 1442695040888963407ULL;
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  return (x ^ (x >> 33)) % 12 == 0 ? .06 : .002;
}

TEST(Placebo, AFleetOfEqualHostsHardlyEverFires) {
  uint64_t runs = 0, fired = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    PlaceboService service({}, seed);
    service.learn(270);
    service.run(3 * kHour);
    runs += service.record("errors").runs;
    fired += service.record("errors").fired;
    EXPECT_TRUE(service.changes.empty());
  }
  EXPECT_GT(runs, 1200u);
  EXPECT_LE(fired, 2u);
}

TEST(Placebo, EveryMetricButTheHistogramAndRestartsIsTried) {
  PlaceboService service({.hosts = 6, .latency = true, .gauges = true, .orders = true}, 3);
  service.options.restarts = true;
  service.learn(60);
  service.run(70);
  std::vector<std::string> names;
  for (const auto& record : service.book.records(service.now())) {
    names.push_back(record.metric);
    EXPECT_EQ(record.runs, 6u) << record.metric;
    EXPECT_EQ(record.fired, 0u) << record.metric;
  }
  const std::vector<std::string> expected = {
      "cpu_per_request", "errors",       "fds",    "latency_p50", "latency_p90",
      "latency_p99",     "latency_p999", "orders", "rss_bytes",   "threads"};
  EXPECT_EQ(names, expected);
}

TEST(Placebo, AHostThatGoesWrongFiresAndNoOtherDoes) {
  PlaceboService service(
      {.errors = [](uint32_t host, int64_t step) { return host == 4 && step > 300 ? .08 : .002; }},
      5);
  service.learn(270);
  service.run(62);
  const PlaceboRecord errors = service.record("errors");
  EXPECT_EQ(errors.fired, 1u);
  EXPECT_EQ(errors.runs, 12u) << "the other eight started later and go on";
}

TEST(Placebo, HostsThatDifferByNatureDoNotFire) {
  PlaceboService service({.errors = [](uint32_t host, int64_t) { return .001 * (1 + host % 5); }},
                         6);
  service.learn(270);
  service.run(kHour);
  EXPECT_EQ(service.record("errors").fired, 0u);
}

TEST(Placebo, ARunIsOneWatchLongAndStartsAreSpread) {
  PlaceboService service({.hosts = 10}, 7);
  service.options.window_seconds = 300;
  service.learn(60);
  service.run(29);
  EXPECT_EQ(service.record("errors").runs, 0u);
  service.run(1);
  EXPECT_EQ(service.record("errors").runs, PlaceboRound::kStartsPerStep);
  service.run(2);
  EXPECT_EQ(service.record("errors").runs, 10u);
}

TEST(Placebo, ARunThatWasCancelledIsNotCounted) {
  PlaceboService service({.hosts = 8}, 8);
  service.learn(60);
  service.run(20);
  service.cancel(3);  // restarted
  service.run(42);
  EXPECT_EQ(service.record("errors").runs, 7u);
}

TEST(Placebo, ACancelledHostsRunIsNotCountedEvenIfItHadFired) {
  PlaceboService service(
      {.errors = [](uint32_t host, int64_t step) { return host == 2 && step > 60 ? .5 : .002; }},
      9);
  service.learn(60);
  service.run(20);
  service.cancel(2);
  service.run(50);
  EXPECT_EQ(service.record("errors").fired, 0u);
}

TEST(Placebo, AStepThatAHostMissesCountsForNothing) {
  PlaceboService service({.hosts = 8}, 10);
  service.learn(60);
  Options options;
  std::vector<uint32_t> turn(8);
  std::iota(turn.begin(), turn.end(), 0);
  PlaceboRound round(options, service.history(), turn);
  size_t ended = 0, fired = 0;
  for (int step = 0; step < 62; ++step) {
    auto hosts = service.next();
    if (step % 3 == 0) std::erase_if(hosts, [](const HostStep& h) { return h.host == 5; });
    round.step(hosts);
    ended += round.ended().size();
    for (const auto& run : round.ended()) {
      fired += static_cast<size_t>(std::ranges::count_if(
          run.metrics, [](const auto& m) { return m.fired_step.has_value(); }));
    }
  }
  EXPECT_EQ(ended, 8u);
  EXPECT_EQ(fired, 0u);
  EXPECT_TRUE(round.over());
}

TEST(Placebo, TwoHostsAreNoFleet) {
  PlaceboService service({.hosts = 2}, 11);
  service.learn(60);
  service.run(130);
  EXPECT_EQ(service.record("errors").runs, 0u);
}

TEST(Placebo, TheOrderOfHostsInAStepDoesNotMatter) {
  const auto evidence = [](bool turned) {
    PlaceboService service({.hosts = 8, .errors = jumping}, 12);
    service.learn(60);
    PlaceboRound round({}, service.history(), {0, 1, 2, 3, 4, 5, 6, 7});
    std::vector<std::pair<uint32_t, int64_t>> fired;
    for (int step = 0; step < 62; ++step) {
      auto hosts = service.next();
      if (turned) std::ranges::reverse(hosts);
      round.step(hosts);
      for (const auto& run : round.ended()) {
        fired.emplace_back(run.host, run.metrics.front().fired_step.value_or(-1));
      }
    }
    return fired;
  };
  EXPECT_EQ(evidence(false), evidence(true));
}

// The spread model knows variances. A fleet whose hosts jump is beyond it, and the placebos say so.
TEST(Placebo, HostsThatJumpAboutMakeTheMetricAdvisoryAndWiden) {
  PlaceboService service({.errors = jumping}, 1);
  service.learn(270);
  service.run(4 * kHour);
  ASSERT_FALSE(service.changes.empty());
  EXPECT_EQ(service.changes.front().metric, "errors");
  EXPECT_TRUE(service.changes.front().advisory);
  EXPECT_DOUBLE_EQ(service.changes.front().widening, 1.5);
  EXPECT_NE(service.changes.front().why.find("untouched hosts in the last hour"),
            std::string::npos);
}

/// A deploy on host 0 of a service whose error metric was demoted.
class AfterDemotion : public testing::Test {
 protected:
  AfterDemotion() : service_({.errors = jumping, .latency = true}, 1) {
    service_.learn(270);
    while (service_.book.trust().empty() && service_.step() < 5 * kHour) service_.run(1);
  }
  /// Seconds of a watch until the battery fires, the errors of host 0 being `share`, its latencies
  /// `slower` times as long; the last findings stay for the test.
  std::optional<double> watch(double share, double slower, std::vector<Trust> trust) {
    Options options;
    options.trust = std::move(trust);
    options.step_seconds = 10;
    auto past = service_.history();
    past.front().canary = true;
    Battery battery(options, past);
    battery.join(0, 0);
    std::optional<double> at;
    for (int i = 1; i <= 60 && !at; ++i) {
      auto hosts = service_.next();
      HostStep canary = hosts.front();
      canary.age_seconds = 10 * (i - 1);
      canary.errors = static_cast<uint64_t>(share * static_cast<double>(canary.requests));
      ExpHistogram slow;
      int32_t bucket = canary.latency->offset();
      for (const uint64_t n : canary.latency->counts()) {
        slow.record(slower * .999 * ExpHistogram::upper_bound(bucket++), n);
      }
      canary.latency = &slow;
      battery.step(10.0 * i, std::span(&canary, 1), std::span(hosts).subspan(1));
      if (battery.fired()) at = 10.0 * i;
    }
    findings = battery.findings();
    return at;
  }
  PlaceboService service_;
  std::vector<Finding> findings;
};

TEST_F(AfterDemotion, WhatTheBadMetricFindsIsShownAndRollsNothingBack) {
  const auto trust = service_.book.trust();
  ASSERT_EQ(trust.size(), 1u);
  ASSERT_EQ(trust.front().metric, "errors");
  EXPECT_FALSE(watch(.06, 1, trust)) << "as bad as any untouched host is at times";
  EXPECT_TRUE(findings.front().fired);
  EXPECT_TRUE(findings.front().advisory);
}

TEST_F(AfterDemotion, WithoutPlacebosTheSameHostWouldHaveBeenRolledBack) {
  EXPECT_TRUE(watch(.06, 1, {}));
}

TEST_F(AfterDemotion, ARegressionOnAnotherMetricIsStillCaught) {
  EXPECT_TRUE(watch(.002, 2, service_.book.trust()));
}

TEST(Trust, TheWholeHistogramIsTrustedAsTheLeastTrustedEdgeIs) {
  Options options;
  options.trust = {{.metric = "latency_p90", .widening = 2.25},
                   {.metric = "latency_p99", .widening = 1.5, .advisory = true},
                   {.metric = "errors", .widening = 3}};
  const Trust shape = trust_of(options, "latency_shape");
  EXPECT_DOUBLE_EQ(shape.widening, 2.25);
  EXPECT_TRUE(shape.advisory);
  EXPECT_FALSE(trust_of(options, "latency_p50").advisory);
  EXPECT_DOUBLE_EQ(trust_of(options, "latency_p50").widening, 1);
}

TEST(Trust, AWidenedSpreadIsWiderInAllItsParts) {
  const NullModel null{.centre = .1, .s = .2, .s_slow = .15, .s_fast = .1};
  const NullModel wide = widened(null, 1.5);
  EXPECT_DOUBLE_EQ(wide.s, .3);
  EXPECT_DOUBLE_EQ(wide.s_slow, .225);
  EXPECT_DOUBLE_EQ(wide.s_fast, .15);
  EXPECT_DOUBLE_EQ(wide.centre, .1);
}

}  // namespace
}  // namespace serin::judge::test
