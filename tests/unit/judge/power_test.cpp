#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "aggregator/core/judge/battery.h"
#include "aggregator/core/judge/level_test.h"
#include "world.h"

// What the judge says of its own sight: how long until an effect would be seen, and between which
// bounds the effect lies.

namespace serin::judge {
namespace {

using test::Fleet;
using test::normal;
using test::Rng;
using test::seconds_to_fire;
using test::World;

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<int64_t>(values.size() / 2));
  return values[values.size() / 2];
}

/// When a healthy canary's battery first calls each effect visible, by effect; and what it foretold
/// for each effect at the moment when it was the next to be seen.
struct Foretold {
  std::map<double, std::vector<double>> visible, announced;
};

Foretold foretell(const World& world, double seconds, const Options& options = {}) {
  Foretold out;
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    Fleet fleet(world, seed);
    Battery battery(options, fleet.history());
    battery.join(0, 0);
    double last_visible = HUGE_VAL, last_next = HUGE_VAL;
    while (fleet.at() < seconds) {
      fleet.next();
      battery.step(fleet.at(), fleet.canary, fleet.baseline);
      const Finding f = battery.findings().front();
      if (f.visible_effect && *f.visible_effect < last_visible) {
        last_visible = *f.visible_effect;
        out.visible[last_visible].push_back(fleet.at());
      }
      if (f.seconds_to_next_effect && *f.next_effect < last_next) {
        last_next = *f.next_effect;
        out.announced[last_next].push_back(fleet.at() + *f.seconds_to_next_effect);
      }
    }
  }
  return out;
}

double median_delay(World world, double ratio, const Options& options = {}) {
  world.effect = [ratio](double) { return ratio; };
  std::vector<double> found;
  for (uint64_t seed = 101; seed <= 125; ++seed) {
    found.push_back(seconds_to_fire(world, seed, 1200, options));
  }
  return median(std::move(found));
}

void expect_alike(double foretold, double found, double effect) {
  EXPECT_LE(foretold, found * 1.5) << effect;
  EXPECT_GE(foretold, found / 1.5) << effect;
}

TEST(Power, WhatIsCalledVisibleIsFoundByThenWithinHalfAsMuchAgain) {
  const World world{.hosts = 20, .rate = 150, .errors = .004};
  const Foretold told = foretell(world, 600);
  for (const double effect : {2.0, 3.0}) {
    ASSERT_GE(told.visible.at(effect).size(), 12u) << effect;
    expect_alike(median(told.visible.at(effect)), median_delay(world, effect), effect);
  }
}

// The first announcement, made from the first seconds' pace; at calibrated alphas effects of this
// size are seen before there is a pace to go by.
TEST(Power, ADelayThatIsForetoldIsTheOneThatIsFoundWithinHalfAsMuchAgain) {
  const World world{.hosts = 20, .rate = 150, .errors = .004};
  Options proven;
  proven.inflation = 1;
  const Foretold told = foretell(world, 600, proven);
  for (const double effect : {2.0, 3.0}) {
    ASSERT_GE(told.announced.at(effect).size(), 12u) << effect;
    expect_alike(median(told.announced.at(effect)), median_delay(world, effect, proven), effect);
  }
}

/// Share of runs in which the interval held the true ratio at every step of the watch.
double coverage(const World& world, double ratio, const char* metric, int runs, double seconds) {
  int held = 0;
  for (int seed = 1; seed <= runs; ++seed) {
    World mine = world;
    if (mine.latency) {
      mine.slower = [ratio](double) { return ratio; };
    } else {
      mine.effect = [ratio](double) { return ratio; };
    }
    Fleet fleet(mine, static_cast<uint64_t>(seed));
    Battery battery({}, fleet.history());
    battery.join(0, 0);
    bool always = true;
    while (always && fleet.at() < seconds) {
      fleet.next();
      battery.step(fleet.at(), fleet.canary, fleet.baseline);
      const auto findings = battery.findings();
      const auto f = std::ranges::find(findings, metric, &Finding::metric);
      if (f == findings.end()) return 0;
      always = !(f->effect_low && *f->effect_low > ratio) &&
               !(f->effect_high && *f->effect_high < ratio);
    }
    held += always ? 1 : 0;
  }
  return static_cast<double>(held) / runs;
}

TEST(Power, TheIntervalHoldsTheTrueEffectAtEveryMomentInNineteenRunsOfTwenty) {
  const World errors{.hosts = 20, .rate = 60, .errors = .004, .noise_sd = .2};
  EXPECT_GE(coverage(errors, 1, "errors", 200, 120), .95);
  EXPECT_GE(coverage(errors, 3, "errors", 200, 120), .95);
}

// The edge is at the quantile of a shape that was learnt, so the ratio that it tells of is
// approximate; the interval is wide enough for that.
TEST(Power, TheIntervalOfLatenciesHoldsTheTrueEffectToo) {
  const World latency{.hosts = 8, .rate = 40, .latency = true, .latency_noise_sd = .02};
  EXPECT_GE(coverage(latency, 1.3, "latency_p90", 60, 60), .95);
}

TEST(Power, TheIntervalOfALevelHoldsTheTrueDeviationAtEveryBlock) {
  constexpr int kRuns = 400;
  constexpr double kSd = .05, kTrue = .2;
  int held = 0;
  Rng rng(5);
  for (int run = 0; run < kRuns; ++run) {
    LevelTest level({.s_slow = .05, .s_fast = kSd}, .05, .001);
    const double keep = std::exp(-10.0 / 30);  // noise as correlated as the judge allows for
    double noise = kSd * normal(rng);
    bool always = true;
    for (int block = 0; block < 30; ++block) {
      noise = keep * noise + kSd * std::sqrt(1 - keep * keep) * normal(rng);
      level.block(kTrue + noise);
      const auto interval = level.interval();
      ASSERT_TRUE(interval);
      always = always && interval->low <= kTrue && kTrue <= interval->high;
    }
    held += always ? 1 : 0;
  }
  EXPECT_GE(held, kRuns * 95 / 100);
}

TEST(Power, TheIntervalOfALevelNarrows) {
  LevelTest level({.s_slow = .05, .s_fast = .05}, .05, .001);
  EXPECT_FALSE(level.interval());
  level.block(.2);
  const auto first = level.interval();
  for (int block = 1; block < 30; ++block) level.block(.2);
  const auto last = level.interval();
  ASSERT_TRUE(first && last);
  EXPECT_LT(last->high - last->low, .6 * (first->high - first->low));
  EXPECT_GT(last->low, 0);
}

}  // namespace
}  // namespace serin::judge
