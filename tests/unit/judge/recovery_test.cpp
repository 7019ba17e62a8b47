#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "aggregator/core/judge/battery.h"
#include "world.h"

namespace serin::judge {
namespace {

double recovers_after(uint64_t seed, double canary_share, double baseline_share, int seconds,
                      double rate = 40) {
  test::Rng rng(seed);
  Recovery recovery(std::sqrt(50.0), .05);
  for (int t = 1; t <= seconds; ++t) {
    const uint64_t nc = test::poisson(rng, rate), nb = test::poisson(rng, 5 * rate);
    recovery.step(
        static_cast<double>(nc), static_cast<double>(test::binomial(rng, nc, canary_share)),
        static_cast<double>(nb), static_cast<double>(test::binomial(rng, nb, baseline_share)));
    if (recovery.recovered()) return t;
  }
  return std::numeric_limits<double>::infinity();
}

TEST(Recovery, AHostThatIsWellIsFoundWell) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    EXPECT_LE(recovers_after(seed, .001, .001, 120), 120) << seed;
    EXPECT_LE(recovers_after(seed, .01, .01, 120), 120) << seed;
  }
}

TEST(Recovery, WorksThoughNobodyHasErrorsAnyMore) {
  for (uint64_t seed = 1; seed <= 20; ++seed) EXPECT_LE(recovers_after(seed, 0, 0, 60), 60);
}

TEST(Recovery, AHostThatIsStillSickIsRarelyCalledWell) {
  int called = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    called += std::isfinite(recovers_after(seed, .001 * std::sqrt(50.0), .001, 120));
    called += std::isfinite(recovers_after(seed, .05, .001, 120));
  }
  EXPECT_LE(called, 30);  // 5 % of the runs at the boundary, twice over
}

TEST(Recovery, AnIncidentOfTheWholeFleetDoesNotHideIt) {
  for (uint64_t seed = 1; seed <= 20; ++seed) EXPECT_LE(recovers_after(seed, .2, .2, 120), 120);
}

TEST(Recovery, WithoutTrafficNothingIsKnown) {
  Recovery recovery(5, .05);
  for (int t = 0; t < 500; ++t) recovery.step(0, 0, 100, 1);
  EXPECT_FALSE(recovery.recovered());
}

TEST(Recovery, AHostThatGetsWellLateIsStillFoundWell) {
  test::Rng rng(5);
  Recovery recovery(7, .05);
  int well = 0;
  for (int t = 0; t < 120 && !recovery.recovered(); ++t) {
    const double share = t < 30 ? .05 : .001;
    const uint64_t n = test::poisson(rng, 100);
    recovery.step(static_cast<double>(n), static_cast<double>(test::binomial(rng, n, share)), 500,
                  static_cast<double>(test::binomial(rng, 500, .001)));
    well = t;
  }
  EXPECT_TRUE(recovery.recovered());
  EXPECT_GT(well, 30);
}

}  // namespace
}  // namespace serin::judge
