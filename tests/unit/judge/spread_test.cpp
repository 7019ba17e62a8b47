#include <gtest/gtest.h>

#include <cmath>

#include "aggregator/core/judge/spread.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::Fleet;
using test::World;

std::vector<HostBlocks> blocks_of(const std::vector<HostHistory>& history) {
  std::vector<HostBlocks> out;
  for (const auto& h : history) {
    out.push_back({.host = h.host, .canary = h.canary, .blocks = {}});
    for (const auto& b : h.blocks) {
      out.back().blocks.push_back({.index = b.index,
                                   .requests = static_cast<double>(b.requests),
                                   .bad = static_cast<double>(b.errors)});
    }
  }
  return out;
}

Spread spread_of(const World& world, uint64_t seed) {
  Fleet fleet(world, seed);
  return Spread(blocks_of(fleet.history()), kErrorPrior, 0.1);
}

NullModel null_of(const Spread& spread) {
  const uint32_t canary[] = {0};
  return spread.null_for(canary, spread.baseline_hosts());
}

TEST(Spread, IdenticalHostsStayAtTheScaleOfThePrior) {
  double persistent = 0, drift = 0, fast = 0;
  constexpr int kWorlds = 1000;
  for (uint64_t seed = 1; seed <= kWorlds; ++seed) {
    const Spread spread = spread_of({.hosts = 10, .rate = 50, .history_blocks = 30}, seed);
    persistent += spread.components().persistent / kWorlds;
    drift += spread.components().drift / kWorlds;
    fast += spread.components().fast / kWorlds;
  }
  EXPECT_LT(persistent, 0.04);
  EXPECT_LT(drift, 0.03);
  EXPECT_LT(fast, 0.05);
}

TEST(Spread, FindsHowMuchHostsDiffer) {
  const auto found = [](double host_sd) {
    double sum = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      const World world{.hosts = 100, .rate = 400, .errors = .005, .host_sd = host_sd};
      sum += spread_of(world, seed).components().persistent / 20;
    }
    return sum;
  };
  const double none = found(0), some = found(.2), much = found(.4);
  EXPECT_LT(none, .01);
  EXPECT_NEAR(some, .04, .02);
  EXPECT_GT(much, .08);  // pulled towards the prior
}

TEST(Spread, AHostsOwnPastMovesTheCentre) {
  const World world{.hosts = 20, .rate = 400, .errors = .005, .host_sd = .2};
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Fleet fleet(world, seed);
    auto history = blocks_of(fleet.history());
    const double before = Spread(history, kErrorPrior, 0.1).level(0);
    for (auto& b : history[0].blocks) b.bad *= 2;
    const Spread spread(history, kErrorPrior, 0.1);
    EXPECT_GT(spread.level(0), before + 0.3);
    EXPECT_EQ(spread.level(77), 0);  // never seen
    const uint32_t known[] = {0}, unknown[] = {77};
    EXPECT_LT(spread.null_for(known, 19).s_slow, spread.null_for(unknown, 19).s_slow);
  }
}

TEST(Spread, AnIncidentOrAWaveInThePastHardlyChangesIt) {
  double calm = 0, wave = 0, incident = 0;
  const World world{.hosts = 20,
                    .rate = 200,
                    .errors = .005,
                    .host_sd = .2,
                    .noise_sd = .2,
                    .history_blocks = 180};
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    calm += null_of(spread_of(world, seed)).s;
    World swinging = world;
    swinging.wave = 0.6;
    wave += null_of(spread_of(swinging, seed)).s;
    World hit = world;
    hit.past_incident_from = 60;
    hit.past_incident_to = 72;
    incident += null_of(spread_of(hit, seed)).s;
  }
  EXPECT_NEAR(wave / calm, 1, .05);
  EXPECT_NEAR(incident / calm, 1, .05);
}

TEST(Spread, WithoutAPastThePriorRules) {
  const Spread none({}, kErrorPrior, 0.1);
  EXPECT_TRUE(none.assumed());
  EXPECT_NEAR(none.components().persistent, .02 + .015, 1e-12);
  EXPECT_NEAR(none.components().fast, .02 + .015, 1e-12);
  const uint32_t canary[] = {0};
  const NullModel null = none.null_for(canary, 5);
  EXPECT_EQ(null.centre, 0);
  EXPECT_NEAR(null.degrees, 6.685, .001);  // what the prior is worth
  EXPECT_TRUE(std::isfinite(null.s));
  EXPECT_TRUE(spread_of({.hosts = 10, .history_blocks = 8}, 1).assumed());
  EXPECT_FALSE(spread_of({.hosts = 10, .history_blocks = 14}, 1).assumed());
  EXPECT_TRUE(spread_of({.hosts = 3, .history_blocks = 100}, 1).assumed());
}

TEST(Spread, ManyHostsOfTheCanaryStillGiveASpread) {
  // 18 of 20 go over at once: two others alone could not say how hosts differ.
  const Spread spread = spread_of({.hosts = 20, .canaries = 18}, 3);
  EXPECT_FALSE(spread.assumed());
  EXPECT_EQ(spread.baseline_hosts(), 2u);
}

TEST(Spread, ErrorsInClumpsAreTempered) {
  int tempered = 0, untouched = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const World world{.hosts = 20,
                      .rate = 100,
                      .errors = .001,
                      .host_sd = .2,
                      .noise_sd = .2,
                      .history_blocks = 180};
    Fleet fleet(world, seed);
    auto history = blocks_of(fleet.history());
    untouched += Spread(history, kErrorPrior, .1).components().clumping == 1;
    test::Rng rng(seed + 100);
    for (auto& h : history) {
      for (auto& b : h.blocks) {
        if (test::poisson(rng, 10 / 300.0) > 0)
          b.bad += 10;  // one client retries: ten errors at once
      }
    }
    tempered += Spread(history, kErrorPrior, .1).components().clumping > 1.5;
  }
  EXPECT_EQ(tempered, 20);
  EXPECT_GE(untouched, 19);
}

TEST(Spread, GapsAndOddBlocksAreHarmless) {
  std::vector<HostBlocks> history(6);
  for (uint32_t h = 0; h < 6; ++h) {
    history[h].host = h * 1000;  // indices need not be dense
    for (int32_t b = 0; b < 40; b += 1 + static_cast<int32_t>(h % 3)) {
      history[h].blocks.push_back(
          {.index = b - 2000000000, .requests = b % 5 == 0 ? 0.0 : 100.0, .bad = 0});
    }
  }
  const Spread spread(history, kErrorPrior, .1);
  const uint32_t canary[] = {0};
  EXPECT_TRUE(std::isfinite(spread.null_for(canary, 5).s));
  EXPECT_TRUE(std::isfinite(spread.level(3000)));
}

}  // namespace
}  // namespace serin::judge
