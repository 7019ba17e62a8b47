#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/battery.h"
#include "aggregator/core/judge/shape_table.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::Rng;

constexpr size_t kBuckets = 24;

std::vector<double> hump(double at, double width) {
  std::vector<double> p(kBuckets);
  double sum = 0;
  for (size_t b = 0; b < kBuckets; ++b) {
    const double z = (static_cast<double>(b) - at) / width;
    sum += p[b] = std::exp(-.5 * z * z) + 1e-4;
  }
  for (double& x : p) x /= sum;
  return p;
}

TEST(ShapePlan, WeightsAreDistributions) {
  const ShapePlan plan(0.01, 0.05, 7, std::log(1.05));
  double null = 0, worse = 0;
  for (size_t g = 0; g < ShapePlan::kShapes; ++g) {
    null += plan.null_weight[g];
    worse += plan.worse_weight[g];
    EXPECT_GE(plan.null_weight[g], 0);
    EXPECT_GE(plan.worse_weight[g], 0);
  }
  EXPECT_NEAR(null, 1, 1e-12);
  EXPECT_NEAR(worse, 1, 1e-12);
}

// Both cohorts from one distribution that is not the one the table was made from: every shape stays
// a fair bet.
TEST(ShapeTable, AWrongUsualCostsPowerButNeverFairness) {
  const BucketRange range{.low = -60, .count = kBuckets};
  const ShapePlan plan(0, 0.05, 7, std::log(1.05));
  ShapeTable table(range);
  table.build(hump(9, 3), plan, 0);
  const auto truth = hump(11, 4);
  Rng rng(41);
  std::discrete_distribution<size_t> draw(truth.begin(), truth.end());
  constexpr int kRuns = 20000, kCanary = 3, kBaseline = 12;
  constexpr double f = static_cast<double>(kCanary) / (kCanary + kBaseline);
  std::vector<double> mean(ShapePlan::kShapes, 0), square(ShapePlan::kShapes, 0);
  for (int run = 0; run < kRuns; ++run) {
    std::array<double, kBuckets> canary{}, all{};
    for (int i = 0; i < kCanary + kBaseline; ++i) {
      const size_t b = draw(rng);
      all[b] += 1;
      if (i < kCanary) canary[b] += 1;
    }
    for (size_t g = 0; g < ShapePlan::kShapes; g += 7) {
      double gain = 0;
      for (size_t b = 0; b < kBuckets; ++b) {
        if (all[b] == 0) continue;
        gain +=
            canary[b] * table.log_ratio(g)[b] - all[b] * std::log1p(f * (table.ratio(g)[b] - 1));
      }
      mean[g] += std::exp(gain) / kRuns;
      square[g] += std::exp(2 * gain) / kRuns;
    }
  }
  for (size_t g = 0; g < ShapePlan::kShapes; g += 7) {
    EXPECT_LE(mean[g], 1 + 4 * std::sqrt(square[g] / kRuns)) << g;  // four standard errors
    EXPECT_LE(std::sqrt(square[g] / kRuns), .05) << g;
  }
}

TEST(ShapeTable, ShapesAreWhatTheyAreCalled) {
  const BucketRange range{.low = -60, .count = 120};
  std::vector<double> usual(range.count, ShapeTable::kLeast);
  for (size_t b = 20; b < 28; ++b) usual[b] = 1.0 / 8;  // one octave, even on a log scale
  ShapeTable table(range);
  const ShapePlan plan(0, 0.02, 20, std::log(1.05));
  table.build(usual, plan, 0);
  const auto mass = [&](size_t shape, size_t from, size_t to) {
    double sum = 0;
    for (size_t b = from; b < to; ++b) sum += table.ratio(shape)[b] * usual[b];
    return sum;
  };
  EXPECT_NEAR(mass(8, 20, 28), 1, 1e-4);  // z = 0: nothing changes
  const size_t twice = ShapePlan::kNullShifts + 6;
  EXPECT_NEAR(mass(twice, 28, 36), 1, 1e-4);  // an octave up
  const size_t kind =
      ShapePlan::kNullShifts + ShapePlan::kShifts + 2 * (ShapePlan::kTails + ShapePlan::kModes);
  EXPECT_LE(mass(kind + 1, 28, 120), .11);  // of the slowest 10 %, twice as long
  EXPECT_GT(mass(kind + 1, 28, 120), .05);
  const size_t mode = kind + ShapePlan::kTails + 4 * 4 + 3;  // 40 % take 30 s longer
  EXPECT_NEAR(mass(mode, 60, 120), .4, .01);
}

// Three requests in a hundred wait half a minute: rare, far out, and no threshold below p99.9 sees
// much of it.
TEST(Shape, AFewVeryLongRequestsAreFound) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    test::World world{.hosts = 6,
                      .rate = 40,
                      .history_blocks = 30,
                      .latency = true,
                      .latency_host_sd = .05,
                      .latency_noise_sd = .03,
                      .latency_restart_sd = .02,
                      .slow_share = .01,
                      .slow_seconds = 30};
    found += std::isfinite(test::seconds_to_fire(world, seed, 200));
  }
  EXPECT_GE(found, 5);
}

}  // namespace
}  // namespace serin::judge
