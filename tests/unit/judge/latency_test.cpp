#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/latency_family.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::Fleet;
using test::uneven_latency;
using test::World;

ExpHistogram usual_latencies() {
  World world{.hosts = 1, .canaries = 0, .rate = 2000, .latency = true};
  world.history_blocks = 10;
  Fleet fleet(world, 1);
  ExpHistogram all;
  const auto history = fleet.history();
  for (const auto& b : history[0].blocks) all.merge(*b.latency);
  return all;
}

TEST(LatencyShape, ReadsSharesOffTheHistogram) {
  const ExpHistogram usual = usual_latencies();
  const LatencyShape shape(usual);
  EXPECT_EQ(shape.slower(std::log(1e-6)), 1);
  EXPECT_EQ(shape.slower(std::log(1e5)), 0);
  EXPECT_NEAR(shape.slower(std::log(.05)), .51, .03);
  for (const double share : {.5, .1, .01, .001}) {
    const auto edge = shape.edge(share);
    ASSERT_TRUE(edge);
    const double above = shape.slower(std::log(ExpHistogram::upper_bound(*edge)));
    EXPECT_NEAR(std::log(above / share), 0, .15) << share;
    EXPECT_EQ(shape.log_odds_of_shift(*edge, 0), 0);
    for (const double factor : {1.05, 1.5, 3.0}) {
      const double gain = shape.log_odds_of_shift(*edge, std::log(factor));
      EXPECT_GT(gain, 0);
      const auto back = shape.shift_of_log_odds(*edge, gain);
      if (gain < CountPlan::kTop) {
        ASSERT_TRUE(back);
        EXPECT_NEAR(*back, std::log(factor), 1e-6);
      }
    }
    EXPECT_FALSE(shape.shift_of_log_odds(*edge, 1e6));
  }
  EXPECT_FALSE(LatencyShape(ExpHistogram()).edge(.5));
  EXPECT_EQ(LatencyShape(ExpHistogram()).slower(0), 0);
}

double warms_up(double seconds) {
  return std::exp(.5 * std::exp(-seconds / 20));
}

std::string metric_that_fires(const World& world, uint64_t seed, double seconds,
                              double* at = nullptr) {
  Fleet fleet(world, seed);
  Battery battery({}, fleet.history());
  battery.join(0, 0);
  while (fleet.at() < seconds && !battery.fired()) {
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
  }
  if (at) *at = fleet.at();
  return battery.fired() ? battery.fired()->metric : "";
}

TEST(Latency, HostsOfTheirOwnSpeedThatWarmUpAreNotRolledBack) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    World world = uneven_latency(seed % 2 ? 6 : 20, 40);
    world.slower = warms_up;
    if (seed % 4 == 0) {
      world.incident_from = 60;
      world.incident_to = 100;
    }
    EXPECT_EQ(metric_that_fires(world, seed, 150), "") << seed;
  }
}

// A canary that does not warm up is no constant shift under a margin that fades; nothing may take
// it for a regression.
TEST(Latency, AHostThatDoesNotWarmUpIsNotRolledBackEither) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(metric_that_fires(uneven_latency(seed % 2 ? 6 : 20, 15), seed, 280), "") << seed;
  }
}

TEST(Latency, TwiceAsSlowIsFoundOnceTheWarmUpMarginLetsIt) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world = uneven_latency(8, 50);
    world.slower = [](double) { return 2.0; };
    double at = 0;
    EXPECT_EQ(metric_that_fires(world, seed, 120, &at).substr(0, 8), "latency_") << seed;
    EXPECT_LE(at, 75) << seed;
  }
}

TEST(Latency, ASlowModeIsFoundInTheTail) {
  int tail = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world = uneven_latency(10, 50);
    world.slow_share = .03;
    world.slow_seconds = 2;
    const std::string metric = metric_that_fires(world, seed, 150);
    tail += metric == "latency_p99" || metric == "latency_p999" || metric == "latency_shape";
  }
  EXPECT_GE(tail, 9);
}

TEST(Latency, AFindingSpeaksInLatency) {
  World world = uneven_latency(20, 100);
  world.slower = [](double) { return 1.6; };
  Fleet fleet(world, 3);
  Battery battery({}, fleet.history());
  battery.join(0, 0);
  while (fleet.at() < 120) {
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
  }
  const auto findings = battery.findings();
  const auto p90 = std::find_if(findings.begin(), findings.end(),
                                [](const Finding& f) { return f.metric == "latency_p90"; });
  ASSERT_NE(p90, findings.end());
  ASSERT_TRUE(p90->effect && p90->effect_low && p90->effect_high && p90->edge_seconds);
  EXPECT_NEAR(*p90->effect, 1.6, .15);
  EXPECT_LT(*p90->effect_low, *p90->effect);
  EXPECT_GT(*p90->effect_high, *p90->effect);
  EXPECT_GT(*p90->canary, *p90->baseline);
  EXPECT_NEAR(*p90->edge_seconds, .1, .03);
  EXPECT_TRUE(p90->fired);
  EXPECT_TRUE(p90->visible_effect);
  EXPECT_EQ(p90->seconds_to_must_see, 0);  // twice the latency
}

TEST(Latency, WithoutLatenciesInThePastErrorsKeepAllOfTheAlpha) {
  const auto threshold = [](bool latency) {
    World world = uneven_latency(6, 40);
    world.latency = latency;
    Fleet fleet(world, 1);
    Battery battery({}, fleet.history());
    battery.join(0, 0);
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
    const auto findings = battery.findings();
    EXPECT_EQ(findings.size(), latency ? 6u : 1u);
    return findings.front().threshold;
  };
  EXPECT_NEAR(threshold(true) - threshold(false), std::log(.66 / .30), 1e-9);
}

TEST(Latency, EqualEdgesAreOneStream) {
  std::vector<HostHistory> history(6);
  ExpHistogram same;
  same.record(.05, 1000);
  ExpHistogram two = same;
  two.record(.2, 100);
  for (uint32_t h = 0; h < 6; ++h) {
    history[h].host = h;
    for (int b = 0; b < 40; ++b)
      history[h].blocks.push_back({.index = b, .requests = 1100, .latency = &two});
  }
  Present present{};
  present.fill(true);
  const auto alpha = alpha_budget({}, present);
  const auto families = LatencyFamily::make({}, alpha, history);
  ASSERT_EQ(families.size(),
            1u);  // one value holds most requests, one the rest: a single edge between them
  EXPECT_NEAR(families[0]->alpha(), 4 * alpha[static_cast<size_t>(Share::latency_p50)], 1e-12);
}

const Finding* find(const std::vector<Finding>& findings, const std::string& metric) {
  const auto at = std::ranges::find(findings, metric, &Finding::metric);
  return at == findings.end() ? nullptr : &*at;
}

Battery watched(const Options& options, Fleet& fleet, double seconds) {
  Battery battery(options, fleet.history());
  battery.join(0, 0);
  while (fleet.at() < seconds) {
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
  }
  return battery;
}

TEST(Latency, TheOperatorsLimitIsAnEdgeOfItsOwn) {
  Fleet fleet(uneven_latency(8, 50), 5);
  const Battery battery = watched({.latency_slo_seconds = .3}, fleet, 10);
  const auto findings = battery.findings();
  const Finding* limit = find(findings, "latency_slo");
  ASSERT_TRUE(limit && limit->edge_seconds);
  EXPECT_NEAR(std::log(*limit->edge_seconds / .3), 0, .05);
  // Five share what four had.
  const Battery four = watched({}, fleet, fleet.at() + 1);
  EXPECT_EQ(find(four.findings(), "latency_slo"), nullptr);
  const auto usual = four.findings();
  EXPECT_GT(find(findings, "latency_p90")->threshold, find(usual, "latency_p90")->threshold);
}

TEST(Latency, ALimitAtAnEdgeThatIsThereAlreadyIsNotJudgedTwice) {
  Fleet fleet(uneven_latency(8, 50), 5);
  const Battery four = watched({}, fleet, 5);
  const double p90 = *find(four.findings(), "latency_p90")->edge_seconds;
  Fleet same(uneven_latency(8, 50), 5);
  const Battery battery = watched({.latency_slo_seconds = 1.01 * p90}, same, 5);
  EXPECT_EQ(find(battery.findings(), "latency_slo"), nullptr);
}

TEST(Latency, ALimitThatHardlyAnyRequestReachesIsFoundWhenTheyDo) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World world = uneven_latency(10, 50);
    world.slow_share = .05;
    world.slow_seconds = 20;
    Fleet fleet(world, seed);
    const Battery battery = watched({.latency_slo_seconds = 15}, fleet, 60);
    const auto findings = battery.findings();
    const Finding* limit = find(findings, "latency_slo");
    ASSERT_TRUE(limit);
    EXPECT_TRUE(limit->fired) << seed;
  }
}

TEST(Latency, ALimitThatHardlyAnyRequestReachesIsNoReasonToRollBackAHealthyHost) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world = uneven_latency(seed % 2 ? 6 : 20, 40);
    world.slower = warms_up;
    Fleet fleet(world, seed);
    const Battery battery = watched({.latency_slo_seconds = seed % 2 ? 1.0 : 5.0}, fleet, 150);
    EXPECT_EQ(battery.fired(), nullptr) << seed;
  }
}

World without_past(double factor) {
  World world = uneven_latency(12, 50);
  world.history_blocks = 0;
  world.slower = [factor](double) { return factor; };
  return world;
}

TEST(LatencyWithoutAPast, StartsOnceTheOtherHostsHaveShownWhatIsUsual) {
  Fleet fleet(without_past(1), 3);
  Battery battery = watched({}, fleet, 29);
  EXPECT_EQ(find(battery.findings(), "latency_p90"), nullptr);
  const auto early = battery.pass_early();
  EXPECT_FALSE(early.pass);
  while (fleet.at() < 45) {
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
  }
  const auto findings = battery.findings();
  for (const char* metric : {"latency_p50", "latency_p90", "latency_p99"}) {
    const Finding* finding = find(findings, metric);
    ASSERT_TRUE(finding && finding->edge_seconds) << metric;
    EXPECT_TRUE(finding->history_assumed);
  }
  EXPECT_NE(find(findings, "latency_shape"), nullptr);
}

// A release was put back with "p90 12.1 ms against 14.2 ms": true, and no reason.
TEST(Latency, AShapeIsShownWhereItIsSlower) {
  World world = uneven_latency(10, 50);
  world.slow_share = .03;
  world.slow_seconds = 2;
  Fleet fleet(world, 4);
  const auto findings = watched({}, fleet, 120).findings();
  const Finding* shape = find(findings, "latency_shape");
  ASSERT_TRUE(shape && shape->quantile && shape->canary && shape->baseline);
  EXPECT_GE(*shape->quantile, .99);
  EXPECT_GT(*shape->canary, 2 * *shape->baseline);
}

TEST(LatencyWithoutAPast, TwiceAsSlowIsFoundAndAHealthyHostIsNot) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Fleet slow(without_past(2), seed), well(without_past(1), seed);
    const Battery battery = watched({}, slow, 200);
    found += battery.fired() && battery.fired()->metric.starts_with("latency_");
    EXPECT_EQ(watched({}, well, 200).fired(), nullptr) << seed;
  }
  EXPECT_GE(found, 9);
}

TEST(LatencyWithoutAPast, AServiceThatNeverShowedLatenciesIsNotExpectedTo) {
  for (const int blocks : {0, 30}) {
    World world;
    world.history_blocks = blocks;
    Fleet fleet(world, 1);
    const Battery battery = watched({}, fleet, 40);
    const auto findings = battery.findings();
    EXPECT_EQ(find(findings, "latency_p50"), nullptr);
    EXPECT_FALSE(battery.pass_early().why_not.starts_with("latency"));
  }
}

}  // namespace
}  // namespace serin::judge
