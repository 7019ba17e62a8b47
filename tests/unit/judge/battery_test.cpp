#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "aggregator/core/judge/battery.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::Fleet;
using test::seconds_to_fire;
using test::World;

/// Hosts that differ as real ones do.
World uneven(uint32_t hosts, double rate) {
  return {.hosts = hosts, .rate = rate, .host_sd = .2, .noise_sd = .2, .restart_sd = .1};
}

double warms_up(double seconds) {
  return 1 + .5 * std::exp(-seconds / 15);
}

/// Steps a battery until `seconds`; stops where it fires.
void run(Battery& battery, Fleet& fleet, double seconds) {
  while (fleet.at() < seconds && !battery.fired()) {
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
  }
}

struct Delays {
  double median = 0, p90 = 0;
};

Delays delays(World world, double ratio) {
  world.effect = [ratio](double) { return ratio; };
  std::vector<double> seconds;
  for (uint64_t seed = 1; seed <= 50; ++seed) seconds.push_back(seconds_to_fire(world, seed, 60));
  std::sort(seconds.begin(), seconds.end());
  return {.median = seconds[24], .p90 = seconds[44]};
}

// One of six hosts, its first seconds of life, so with all of the warm-up margin; with a past, a
// short one and none.
TEST(Battery, FiftyTimesTheErrorsAreFoundWithinSeconds) {
  for (const int history : {0, 12, 60}) {
    World world = uneven(6, 40);
    world.history_blocks = history;
    world.errors = .004;
    const Delays d = delays(world, 50);
    EXPECT_LE(d.median, 6) << history;
    EXPECT_LE(d.p90, 14) << history;
  }
}

TEST(Battery, ABugThatHitsOneRequestInTwelveOfAFleetWithoutErrorsIsFoundWithinTenSeconds) {
  for (const int history : {0, 12, 60}) {
    World world = uneven(6, 40);
    world.history_blocks = history;
    world.errors = 1e-5;
    const Delays d = delays(world, 8000);
    EXPECT_LE(d.median, 6) << history;
    EXPECT_LE(d.p90, 10) << history;
  }
}

// One in a hundred is what the default probability allows.
TEST(Battery, HardlyAnybodyIsRolledBackForBeingAHostOfItsOwn) {
  for (const uint32_t hosts : {6u, 20u}) {
    for (const double rate : {20.0, 200.0}) {
      int fired = 0;
      for (uint64_t seed = 1; seed <= 100; ++seed) {
        World world = uneven(hosts, rate);
        world.wave = .3;
        world.effect = warms_up;
        fired += std::isfinite(seconds_to_fire(world, seed, 120));
      }
      EXPECT_LE(fired, 1) << hosts << ' ' << rate;
    }
  }
}

TEST(Battery, AnIncidentOfTheWholeFleetFiresNothing) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    World world = uneven(8, 100);
    world.effect = warms_up;
    world.incident_from = 20;
    world.incident_to = 80;
    EXPECT_FALSE(std::isfinite(seconds_to_fire(world, seed, 120))) << seed;
  }
}

TEST(Battery, AThousandthOfAPercentMoreIsNobodysProblem) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world{.hosts = 20, .rate = 20000, .errors = 1e-5};
    world.effect = [](double) { return 3.0; };
    EXPECT_FALSE(std::isfinite(seconds_to_fire(world, seed, 120))) << seed;
    // The same without the floor is plain to see.
    EXPECT_TRUE(std::isfinite(seconds_to_fire(world, seed, 300, {.errors_absolute = 0}))) << seed;
  }
}

TEST(Battery, TwoErrorsDecideNothing) {
  Battery battery({}, {});
  battery.join(0, 0);
  std::vector<HostStep> canary(1), baseline(9);
  for (uint32_t h = 0; h < 9; ++h)
    baseline[h] = {.host = h + 1, .age_seconds = 1e6, .requests = 100000};
  for (int t = 1; t <= 2; ++t) {
    canary[0] = {.host = 0, .age_seconds = 1e6, .requests = 10, .errors = 1};
    battery.step(t, canary, baseline);
  }
  EXPECT_FALSE(battery.fired());
  for (int t = 3; t <= 10; ++t) battery.step(t, canary, baseline);
  EXPECT_TRUE(battery.fired());
}

TEST(Battery, AFindingSaysWhatPeopleWantToKnow) {
  World world = uneven(20, 100);
  world.effect = [](double) { return 20.0; };
  Fleet fleet(world, 7);
  Battery battery({}, fleet.history());
  battery.join(0, 0);
  run(battery, fleet, 120);
  ASSERT_TRUE(battery.fired());
  const Finding f = *battery.fired();
  EXPECT_EQ(f.metric, "errors");
  EXPECT_FALSE(f.host);  // the only canary host is all of the pool
  EXPECT_TRUE(f.fired);
  EXPECT_GE(f.log_evidence, f.threshold);
  EXPECT_FALSE(f.history_assumed);
  ASSERT_TRUE(f.canary && f.baseline);
  EXPECT_NEAR(*f.canary, .02, .01);
  EXPECT_NEAR(*f.baseline, .001, .0008);
  ASSERT_TRUE(f.effect_low);
  EXPECT_GT(*f.effect_low, 2);
  // Latched: later steps change the findings, not what was decided.
  fleet.next();
  battery.step(fleet.at(), fleet.canary, fleet.baseline);
  EXPECT_EQ(battery.fired()->log_evidence, f.log_evidence);
  EXPECT_EQ(battery.findings().size(), 1u);
}

TEST(Battery, AnEffectThatSetsInLateIsFound) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world = uneven(20, 100);
    world.effect = [](double s) { return s < 200 ? 1.0 : 10.0; };
    const double seconds = seconds_to_fire(world, seed, 400);
    EXPECT_GT(seconds, 200) << seed;
    EXPECT_LE(seconds, 290) << seed;
  }
}

TEST(Battery, TenSecondStepsDecideAsWell) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world = uneven(20, 50);
    world.step_seconds = 10;
    world.effect = [](double) { return 30.0; };
    const double seconds = seconds_to_fire(world, seed, 600);
    EXPECT_GE(seconds, 20) << seed;  // two steps at least
    EXPECT_LE(seconds, 90) << seed;
    world.effect = warms_up;
    EXPECT_FALSE(std::isfinite(seconds_to_fire(world, seed, 600))) << seed;
  }
}

TEST(Battery, OneBadHostOfTenIsFoundByItsOwnEvidence) {
  World world = uneven(40, 100);
  world.canaries = 10;
  Fleet fleet(world, 11);
  Battery battery({}, fleet.history());
  for (uint32_t h = 0; h < 10; ++h) battery.join(h, 0);
  test::Rng rng(5);
  while (fleet.at() < 200 && !battery.fired()) {
    fleet.next();
    fleet.canary[6].errors = test::binomial(rng, fleet.canary[6].requests, .03);
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
  }
  ASSERT_TRUE(battery.fired());
  EXPECT_EQ(battery.fired()->host, 6u);
  EXPECT_EQ(battery.findings().size(), 11u);
  EXPECT_FALSE(battery.findings().front().host);  // the pool comes first
}

TEST(Battery, ThePoolSeesWhatNoHostShowsAlone) {
  int by_pool = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world = uneven(60, 100);
    world.canaries = 20;
    world.effect = [](double) { return 4.0; };
    Fleet fleet(world, seed);
    Battery battery({}, fleet.history());
    for (uint32_t h = 0; h < 20; ++h) battery.join(h, 0);
    run(battery, fleet, 120);
    ASSERT_TRUE(battery.fired()) << seed;
    by_pool += !battery.fired()->host;
  }
  EXPECT_GE(by_pool, 8);
}

double pool_threshold(const Battery& battery) {
  for (const auto& f : battery.findings()) {
    if (!f.host && f.process == "RE") return f.threshold;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

TEST(Battery, AHostThatJoinsLateStartsThePoolAnewWithHalfItsAlpha) {
  std::vector<HostStep> canary, baseline(9);
  for (uint32_t h = 0; h < 9; ++h)
    baseline[h] = {.host = h + 10, .age_seconds = 1e6, .requests = 100};
  for (uint32_t h = 0; h < 3; ++h)
    canary.push_back({.host = h, .age_seconds = 1e6, .requests = 100});
  Battery battery({}, {});
  battery.join(0, 0);
  battery.join(1, 5);
  const auto step_to = [&](double from, double to) {
    for (double t = from; t <= to; ++t) battery.step(t, canary, baseline);
  };
  step_to(6, 20);
  const double together = pool_threshold(battery);
  EXPECT_NEAR(together, -std::log(kInflation * .0095 * .45 * .8 / 2), 1e-9);
  EXPECT_EQ(battery.findings().size(), 3u);
  battery.join(2, 30);
  step_to(31, 40);
  EXPECT_NEAR(pool_threshold(battery), together + std::log(2), 1e-9);
  EXPECT_EQ(battery.findings().size(), 4u);
  battery.leave(2);
  battery.leave(1);
  step_to(41, 50);
  EXPECT_EQ(battery.findings().size(), 1u);  // one host is its own pool
  battery.leave(0);
  step_to(51, 60);
  EXPECT_TRUE(battery.findings().empty());
  EXPECT_FALSE(battery.pass_at_end().pass);
}

// Ten hosts that start together and fail together: nobody has to wait for an eleventh.
TEST(Battery, APoolNeedNotWaitForItsGroupToBeCompleteWhenTheEvidenceIsStrong) {
  World world{.hosts = 40, .canaries = 10, .rate = 200, .effect = [](double) { return 20.0; }};
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_LT(seconds_to_fire(world, seed, 60), 7) << seed;
  }
}

TEST(Battery, AHostAloneHasAllOfTheAlpha) {
  Battery battery({}, {});
  battery.join(4, 0);
  std::vector<HostStep> canary = {{.host = 4, .age_seconds = 1e6, .requests = 100}}, baseline(5);
  for (uint32_t h = 0; h < 5; ++h)
    baseline[h] = {.host = h + 10, .age_seconds = 1e6, .requests = 100};
  battery.step(1, canary, baseline);
  ASSERT_EQ(battery.findings().size(), 1u);
  EXPECT_NEAR(battery.findings()[0].threshold, -std::log(kInflation * .0095 * .45), 1e-9);
  EXPECT_TRUE(battery.findings()[0].history_assumed);
}

TEST(Battery, WithOneBaselineHostEvidenceStops) {
  Battery battery({}, {});
  battery.join(0, 0);
  const std::vector<HostStep> bad = {
      {.host = 0, .age_seconds = 1e6, .requests = 100, .errors = 50}};
  std::vector<HostStep> baseline(5);
  for (uint32_t h = 0; h < 5; ++h)
    baseline[h] = {.host = h + 1, .age_seconds = 1e6, .requests = 100};
  battery.step(1, bad, baseline);
  baseline.resize(1);
  for (int t = 2; t < 100; ++t) battery.step(t, bad, baseline);
  EXPECT_FALSE(battery.fired());
  baseline.push_back({.host = 9, .age_seconds = 1e6, .requests = 100});
  for (int t = 100; t < 110; ++t) battery.step(t, bad, baseline);
  EXPECT_TRUE(battery.fired());
}

TEST(Battery, ABaselineOfOtherHostsShiftsTheNullAndFiresNothing) {
  // Half of the fleet has four times the errors of the other half; in the watch only the good half
  // is left to compare.
  World world{.hosts = 21, .rate = 200, .errors = .002};
  Fleet fleet(world, 3);
  auto history = fleet.history();
  test::Rng rng(9);
  for (uint32_t h = 0; h <= 10; ++h) {
    for (auto& b : history[h].blocks) b.errors = test::binomial(rng, b.requests, .008);
  }
  Battery battery({.warmup_factor_errors = 1}, history);
  battery.join(0, 0);
  while (fleet.at() < 200) {
    fleet.next();
    fleet.canary[0].errors = test::binomial(rng, fleet.canary[0].requests, .008);  // as ever
    battery.step(fleet.at(), fleet.canary, std::span(fleet.baseline).subspan(10));
  }
  EXPECT_FALSE(battery.fired()) << battery.fired()->process;
}

TEST(Battery, RestartsGiveNewWarmUpMarginsThreeTimesOnly) {
  const auto fires = [](int restart_every) {
    Battery battery({.warmup_factor_errors = 50, .warmup_tau_errors_seconds = 30}, {});
    battery.join(0, 0);
    std::vector<HostStep> baseline(19);
    for (uint32_t h = 0; h < 19; ++h) {
      baseline[h] = {.host = h + 1, .age_seconds = 1e6, .requests = 100, .errors = h % 10 == 0};
    }
    for (int t = 0; t < 400; ++t) {
      const std::vector<HostStep> canary = {{.host = 0,
                                             .age_seconds = static_cast<double>(t % restart_every),
                                             .requests = 100,
                                             .errors = 4}};
      battery.step(t + 1, canary, baseline);
      if (battery.fired()) return t;
    }
    return 1000;
  };
  EXPECT_LT(fires(1000), 200);
  EXPECT_LT(fires(10), 300);  // for ever young would be for ever excused
}

TEST(Battery, PassesEarlyWhereTrafficAllowsAndSaysWhyNotElsewhere) {
  World world = uneven(40, 500);
  world.canaries = 20;
  world.errors = .005;
  Fleet fleet(world, 2);
  Battery battery({}, fleet.history());
  for (uint32_t h = 0; h < 20; ++h) battery.join(h, 0);
  EXPECT_FALSE(battery.pass_early().pass);
  run(battery, fleet, 200);
  ASSERT_FALSE(battery.fired());
  EXPECT_TRUE(battery.pass_early().pass) << battery.pass_early().why_not;

  World small = uneven(6, 40);
  Fleet few(small, 2);
  Battery alone({}, few.history());
  alone.join(0, 0);
  run(alone, few, 100);
  const PassAnswer no = alone.pass_early();
  EXPECT_FALSE(no.pass);
  EXPECT_NE(no.why_not.find("errors"), std::string::npos) << no.why_not;
}

TEST(Battery, ACanaryAtTheLimitRarelyPassesEarly) {
  int passed = 0, runs = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    World world = uneven(40, 200);
    world.canaries = 20;
    world.errors = .005;
    world.effect = [](double) { return 1.5; };
    Fleet fleet(world, seed);
    Battery battery({}, fleet.history());
    for (uint32_t h = 0; h < 20; ++h) battery.join(h, 0);
    bool early = false;
    while (fleet.at() < 200) {
      fleet.next();
      battery.step(fleet.at(), fleet.canary, fleet.baseline);
      early |= battery.pass_early().pass;
    }
    passed += early;
    ++runs;
  }
  EXPECT_LE(passed, runs / 10);
}

TEST(Battery, AtTheEndAQuietWindowPassesOnceMustSeeWouldHaveBeenSeen) {
  World world = uneven(6, 40);
  world.effect = warms_up;
  Fleet fleet(world, 4);
  Battery battery({}, fleet.history());
  battery.join(0, 0);
  run(battery, fleet, 20);
  const PassAnswer soon = battery.pass_at_end();
  EXPECT_FALSE(soon.pass);
  EXPECT_NE(soon.why_not.find("1 %"), std::string::npos) << soon.why_not;
  run(battery, fleet, 600);
  EXPECT_TRUE(battery.pass_at_end().pass) << battery.pass_at_end().why_not;
  const auto f = battery.findings().front();
  EXPECT_EQ(f.seconds_to_must_see, 0);
  ASSERT_TRUE(f.visible_effect);
  EXPECT_GE(*f.visible_effect, 3);
  EXPECT_LE(*f.visible_effect, 50);
}

TEST(Battery, WithoutTrafficItNeverPasses) {
  Battery battery({}, {});
  battery.join(0, 0);
  std::vector<HostStep> canary = {{.host = 0}}, baseline(5);
  for (uint32_t h = 0; h < 5; ++h)
    baseline[h] = {.host = h + 1, .age_seconds = 1e6, .requests = 100};
  for (int t = 1; t <= 600; ++t) battery.step(t, canary, baseline);
  EXPECT_FALSE(battery.pass_early().pass);
  EXPECT_FALSE(battery.pass_at_end().pass);
  EXPECT_FALSE(battery.pass_at_end().why_not.empty());
}

// What "would have been seen by now" is worth: the effect that a battery calls visible is indeed
// found by then.
TEST(Battery, WhatItSaysItWouldSeeItSees) {
  constexpr double kSeconds = 200;
  World world = uneven(20, 60);
  int predicted = 0;
  double visible = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Fleet fleet(world, seed);
    Battery battery({}, fleet.history());
    battery.join(0, 0);
    run(battery, fleet, kSeconds);
    const auto found = battery.findings().front().visible_effect;
    predicted += found.has_value();
    if (found) visible = std::max(visible, *found);
  }
  EXPECT_GE(predicted, 18);
  world.effect = [&](double) { return visible; };
  int seen = 0;
  for (uint64_t seed = 101; seed <= 130; ++seed) {
    seen += seconds_to_fire(world, seed, kSeconds * 1.5) <= kSeconds * 1.5;
  }
  EXPECT_GE(seen, 24) << visible;

  // And 90 % for what must be seen.
  World few = uneven(6, 40);
  double enough = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Fleet fleet(few, seed);
    Battery battery({}, fleet.history());
    battery.join(0, 0);
    while (fleet.at() < 900 && !battery.pass_at_end().pass) {
      fleet.next();
      battery.step(fleet.at(), fleet.canary, fleet.baseline);
    }
    enough = std::max(enough, fleet.at());
  }
  few.effect = [](double) { return 11.0; };  // +1 % on 0.1 %
  int caught = 0;
  for (uint64_t seed = 201; seed <= 240; ++seed)
    caught += seconds_to_fire(few, seed, enough) <= enough;
  EXPECT_GE(caught, 34) << enough;
}

TEST(Battery, StepsOfUnknownHostsAreLeftOut) {
  Battery battery({}, {});
  battery.join(0, 0);
  std::vector<HostStep> baseline(5);
  for (uint32_t h = 0; h < 5; ++h)
    baseline[h] = {.host = h + 1, .age_seconds = 1e6, .requests = 100};
  const std::vector<HostStep> stranger = {
      {.host = 77, .age_seconds = 1e6, .requests = 100, .errors = 100}};
  for (int t = 1; t < 50; ++t) battery.step(t, stranger, baseline);
  EXPECT_FALSE(battery.fired());
  EXPECT_FALSE(battery.findings().front().canary);
}

TEST(Battery, MoreErrorsThanRequestsAreCappedNotBelieved) {
  Battery battery({}, {});
  battery.join(0, 0);
  std::vector<HostStep> baseline(5);
  for (uint32_t h = 0; h < 5; ++h) baseline[h] = {.host = h + 1, .requests = 1, .errors = 900};
  const std::vector<HostStep> canary = {{.host = 0, .requests = 2, .errors = 1000}};
  for (int t = 1; t < 200; ++t) battery.step(t, canary, baseline);
  const Finding f = battery.findings().front();
  EXPECT_TRUE(std::isfinite(f.log_evidence));
  EXPECT_LE(*f.canary, 1);
}

}  // namespace
}  // namespace serin::judge
