#include "aggregator/core/judge/warmup.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "aggregator/core/judge/latency_family.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::binomial;
using test::Fleet;
using test::poisson;
using test::Rng;
using test::uneven_latency;
using test::World;

constexpr auto kErrors = WarmupStream::errors;

size_t index(WarmupStream stream) {
  return static_cast<size_t>(stream);
}

double log_odds(double share) {
  return std::log(share) - std::log1p(-share);
}

/// A restart of a host that takes `rate` requests a second, of which `usual` would be bad, and
/// `excess(age)` log odds more after a restart; all streams alike.
template <class Excess>
WarmupRestart restart(Rng& rng, double rate, double usual, const Excess& excess) {
  WarmupRestart out;
  for (int second = 0; second < 200; ++second) {
    const double p = 1 / (1 + std::exp(-(log_odds(usual) + excess(second + .5))));
    for (auto& curve : out) {
      WarmupCount& c = curve[warmup_bin(second)];
      const uint64_t n = poisson(rng, rate);
      c.requests += static_cast<double>(n);
      c.bad += static_cast<double>(binomial(rng, n, p));
      c.usual += usual * static_cast<double>(n);
    }
  }
  return out;
}

double no_margin(double) {
  return 0;
}
double usual_margin(double age) {
  return std::log(4.0) * std::exp(-age / 15);
}

TEST(Warmup, AgesFallIntoTheirBins) {
  EXPECT_EQ(warmup_bin(-1), 0u);
  EXPECT_EQ(warmup_bin(0), 0u);
  EXPECT_EQ(warmup_bin(2.99), 2u);
  EXPECT_EQ(warmup_bin(3), 3u);
  EXPECT_EQ(warmup_bin(199.9), kWarmupBins - 1);
  EXPECT_EQ(warmup_bin(200), kWarmupBins);
}

TEST(Warmup, AKnownOneIsRecovered) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Rng rng(seed);
    const auto truth = [](double age) { return 1.2 * std::exp(-age / 25); };
    WarmupProfile profile;
    for (int i = 0; i < 20; ++i) profile.learn(restart(rng, 200, .02, truth));
    const auto excess = profile.excess(kErrors);
    for (size_t bin = 0; bin < kWarmupBins; ++bin) {
      const double middle = .5 * (kWarmupAges[bin] + kWarmupAges[bin + 1]);
      EXPECT_NEAR(excess[bin], truth(middle), .15) << seed << " bin " << bin;
      EXPECT_LE(excess[bin], excess[bin == 0 ? 0 : bin - 1]);
    }
  }
}

TEST(Warmup, TheMarginHoldsTheNextRestartAndLittleMore) {
  Rng rng(3);
  const auto truth = [](double age) { return .8 * std::exp(-age / 30); };
  WarmupProfile profile;
  for (int i = 0; i < 25; ++i) {
    const double size = std::exp(.2 * test::normal(rng));
    profile.learn(restart(rng, 200, .1, [&](double age) { return size * truth(age); }));
  }
  const WarmupMargin margin(usual_margin, &profile, kErrors);
  for (double age = 0; age < 100; ++age) {
    EXPECT_GE(margin.at(age), 1.4 * truth(age) - .05) << age;  // two deviations above the usual
    EXPECT_LE(margin.at(age), 2.6 * truth(age) + .15) << age;
  }
  EXPECT_EQ(margin.at(200), 0);
}

TEST(Warmup, HowMuchRestartsDifferIsLearnt) {
  const auto variation = [](double sd, uint64_t seed) {
    Rng rng(seed);
    WarmupProfile profile;
    for (int i = 0; i < 40; ++i) {
      const double size = std::exp(sd * test::normal(rng));
      profile.learn(restart(rng, 200, .1, [&](double age) { return size * std::exp(-age / 20); }));
    }
    return profile.variation_of(kErrors);
  };
  EXPECT_DOUBLE_EQ(WarmupProfile{}.variation_of(kErrors), .3);
  double even = 0, uneven = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    even += variation(0, seed) / 5;
    uneven += variation(.5, seed) / 5;
  }
  EXPECT_LE(even, .2);
  EXPECT_GE(uneven, .4);
}

TEST(Warmup, WithoutRestartsTheDefaultStays) {
  const WarmupProfile none;
  for (const auto* profile : {static_cast<const WarmupProfile*>(nullptr), &none}) {
    const WarmupMargin margin(usual_margin, profile, kErrors);
    for (int age = 0; age < 200; ++age) EXPECT_DOUBLE_EQ(margin.at(age), usual_margin(age));
  }
}

// A host that starts at full speed is not evidence enough that all do; one that takes minutes is,
// that some do.
TEST(Warmup, TheFirstRestartsCanOnlyRaiseTheMargin) {
  Rng rng(5);
  WarmupProfile quick, slow;
  for (uint32_t i = 0; i < WarmupProfile::kLeastRestarts; ++i) {
    const WarmupMargin of_quick(usual_margin, &quick, kErrors);
    const WarmupMargin of_slow(usual_margin, &slow, kErrors);
    for (int age = 0; age < 200; ++age) EXPECT_GE(of_quick.at(age), usual_margin(age)) << i;
    EXPECT_TRUE(i == 0 || of_slow.at(60) > 5 * usual_margin(60)) << i;
    quick.learn(restart(rng, 100, .1, no_margin));
    slow.learn(restart(rng, 100, .1, [](double age) { return 1.5 * std::exp(-age / 80); }));
  }
  const WarmupMargin margin(usual_margin, &quick, kErrors);
  EXPECT_LE(margin.at(0), .6 * usual_margin(0));
}

// Three errors in all tell nothing about the first second.
TEST(Warmup, WithLittleTrafficTheDefaultStays) {
  Rng rng(6);
  WarmupProfile profile;
  for (int i = 0; i < 5; ++i) profile.learn(restart(rng, 2, .001, no_margin));
  const WarmupMargin margin(usual_margin, &profile, kErrors);
  for (int age = 0; age < 30; ++age) EXPECT_GE(margin.at(age), .8 * usual_margin(age)) << age;
}

TEST(Warmup, AgesThatWereNotSeenKeepTheDefault) {
  Rng rng(7);
  WarmupProfile profile;
  for (int i = 0; i < 20; ++i) {
    WarmupRestart one = restart(rng, 200, .1, no_margin);
    for (auto& curve : one) curve[0] = curve[1] = curve[2] = {};
    profile.learn(one);
  }
  const WarmupMargin margin(usual_margin, &profile, kErrors);
  EXPECT_DOUBLE_EQ(margin.at(0), usual_margin(0));
  EXPECT_DOUBLE_EQ(margin.at(2), usual_margin(2));
  EXPECT_LE(margin.at(6), .5 * usual_margin(6));
}

TEST(Warmup, APeakThatComesLateIsNotAveragedAway) {
  Rng rng(8);
  WarmupProfile profile;
  const auto late = [](double age) { return age >= 30 && age < 45 ? 1.5 : 0.0; };
  for (int i = 0; i < 20; ++i) profile.learn(restart(rng, 200, .1, late));
  const WarmupMargin margin(no_margin, &profile, kErrors);
  EXPECT_GE(margin.at(37), 1.5);
}

TEST(Warmup, OldRestartsAreForgotten) {
  Rng rng(9);
  WarmupProfile profile;
  for (int i = 0; i < 60; ++i)
    profile.learn(restart(rng, 100, .1, [](double age) { return 2 * std::exp(-age / 20); }));
  const double before = profile.excess(kErrors)[0];
  for (int i = 0; i < 120; ++i) profile.learn(restart(rng, 100, .1, no_margin));
  EXPECT_LT(profile.excess(kErrors)[0], .2 * before);
  EXPECT_LT(profile.remembered, 41);
  EXPECT_EQ(profile.restarts, 180u);
}

// ---- with the whole battery

/// Size of the latency and error warm-up of one restart.
World warming(World world, double size) {
  const auto before = world.slower;
  world.slower = [=](double age) {
    return before(age) * std::exp(size * .5 * std::exp(-age / 20));
  };
  const auto errors = world.effect;
  world.effect = [=](double age) {
    return errors(age) * std::exp(size * .4 * std::exp(-age / 15));
  };
  return world;
}

/// What a restart on the old version looks like from outside.
WarmupRestart watched(const World& world, uint64_t seed) {
  Fleet fleet(world, seed);
  const auto history = fleet.history();
  ExpHistogram all;
  for (const auto& host : history)
    for (const auto& block : host.blocks) all.merge(*block.latency);
  const LatencyShape shape(all);
  constexpr std::array kAbove = {.5, .1, .01, .001};
  WarmupRestart out;
  while (fleet.at() < 200) {
    const double age = fleet.at();
    fleet.next();
    const HostStep& own = fleet.canary.front();
    uint64_t requests = 0, errors = 0;
    ExpHistogram others;
    for (const HostStep& host : fleet.baseline) {
      requests += host.requests;
      errors += host.errors;
      others.merge(*host.latency);
    }
    const auto add = [&](WarmupStream stream, double bad, double others_bad) {
      WarmupCount& c = out[index(stream)][warmup_bin(age)];
      const auto n = static_cast<double>(own.requests);
      c.requests += n;
      c.bad += bad;
      c.usual += n * others_bad / static_cast<double>(requests);
    };
    add(kErrors, static_cast<double>(own.errors), static_cast<double>(errors));
    for (size_t q = 0; q < kAbove.size(); ++q) {
      const int32_t edge = *shape.edge(kAbove[q]);
      add(static_cast<WarmupStream>(q + 1), static_cast<double>(own.latency->above(edge)),
          static_cast<double>(others.above(edge)));
    }
  }
  return out;
}

/// A service whose warm-up has this size, and differs by a fifth from restart to restart.
std::shared_ptr<const WarmupProfile> learnt(double rate, double size, int restarts, uint64_t seed) {
  auto profile = std::make_shared<WarmupProfile>();
  Rng rng(seed);
  for (int i = 0; i < restarts; ++i) {
    const double this_one = size * std::exp(.2 * test::normal(rng));
    profile->learn(watched(warming(uneven_latency(12, rate), this_one), rng()));
  }
  return profile;
}

TEST(WarmupBattery, HealthyRestartsAreNotRolledBackWithALearntMargin) {
  int fired = 0, runs = 0;
  for (uint64_t fleet = 1; fleet <= 4; ++fleet) {
    const double size = fleet % 3 == 0 ? 0 : .7 * static_cast<double>(fleet % 3);
    const double rate = fleet % 2 ? 30 : 60;
    const auto profile = learnt(rate, size, 2 + 2 * static_cast<int>(fleet), 100 + fleet);
    Rng rng(fleet);
    for (int run = 0; run < 8; ++run, ++runs) {
      World world = warming(uneven_latency(12, rate), size * std::exp(.2 * test::normal(rng)));
      if (run % 4 == 0) world.incident_from = 20, world.incident_to = 50;
      fired += std::isfinite(test::seconds_to_fire(world, rng(), 100, {.warmup = profile}));
    }
  }
  EXPECT_EQ(fired, 0) << "of " << runs;
}

TEST(WarmupBattery, RegressionsAreFoundSoonerThanWithTheDefault) {
  const double rate = 50;
  const auto profile = learnt(rate, 0, 8, 7);
  double with = 0, without = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    World world = uneven_latency(12, rate);
    world.slower = [](double) { return 2.0; };
    with += std::min(test::seconds_to_fire(world, seed, 120, {.warmup = profile}), 120.0) / 6;
    without += std::min(test::seconds_to_fire(world, seed, 120), 120.0) / 6;
  }
  EXPECT_LT(with, .25 * without) << with << " s instead of " << without << " s";
}

}  // namespace
}  // namespace serin::judge
