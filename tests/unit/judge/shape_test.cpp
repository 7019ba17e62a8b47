#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/battery.h"
#include "aggregator/core/judge/shape_evidence.h"
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
  const ShapePlan plan(0.01, 0.05, 7, std::log(1.05), std::log(4));
  double null = 0, worse = 0, amplitudes = 0;
  for (const double w : plan.null_weight) null += w;
  for (const double w : plan.worse_weight) worse += w;
  for (const double w : plan.kind_weight) worse += w;
  for (const double w : plan.amplitude_weight) amplitudes += w;
  EXPECT_NEAR(null, 1, 1e-12);
  EXPECT_NEAR(worse, 1, 1e-12);
  EXPECT_NEAR(amplitudes, 1, 1e-12);
}

// Between two amplitudes of the warm-up there is never more than the spread can hide.
TEST(ShapePlan, AmplitudesAreCloserThanHostsDiffer) {
  const ShapePlan plan(0, 0.05, 7, std::log(1.05), std::log(4));
  ASSERT_GT(plan.amplitude.size(), 2U);
  EXPECT_EQ(plan.amplitude.front(), 0);
  EXPECT_NEAR(plan.amplitude.back(), 1, 1e-12);
  for (size_t a = 1; a < plan.amplitude.size(); ++a) {
    EXPECT_LE((plan.amplitude[a] - plan.amplitude[a - 1]) * std::log(4), plan.step() * 1.000001);
  }
  EXPECT_EQ(ShapePlan(0, 0.05, 7, std::log(1.05), 0).amplitude, std::vector<double>{0});
}

// Both cohorts from one distribution that is not the one the tables were made from: every shape
// stays a fair bet.
TEST(ShapeTable, AWrongUsualCostsPowerButNeverFairness) {
  const BucketRange range{.low = -60, .count = kBuckets};
  ShapeTable shifts(range), kinds(range);
  shifts.learn(hump(9, 3));
  kinds.learn(hump(9, 3));
  const std::vector<double> by = {-.2, -.05, 0, .05, .1, .3, .7, 1.5};
  shifts.build_shifts(by);
  kinds.build_kinds(.05);
  const auto truth = hump(11, 4);
  Rng rng(41);
  std::discrete_distribution<size_t> draw(truth.begin(), truth.end());
  constexpr int kRuns = 20000, kCanary = 3, kBaseline = 12;
  constexpr double f = static_cast<double>(kCanary) / (kCanary + kBaseline);
  const size_t rows = by.size() + ShapePlan::kKinds;
  std::vector<double> mean(rows, 0), square(rows, 0), gain(rows);
  std::vector<size_t> filled;
  for (size_t b = 0; b < kBuckets; ++b) filled.push_back(b);
  for (int run = 0; run < kRuns; ++run) {
    std::array<double, kBuckets> canary{}, baseline{};
    for (int i = 0; i < kCanary + kBaseline; ++i) {
      (i < kCanary ? canary : baseline)[draw(rng)] += 1;
    }
    weigh(shifts, canary, baseline, filled, f, std::span(gain).first(by.size()));
    weigh(kinds, canary, baseline, filled, f, std::span(gain).subspan(by.size()));
    for (size_t g = 0; g < rows; ++g) {
      mean[g] += std::exp(gain[g]) / kRuns;
      square[g] += std::exp(2 * gain[g]) / kRuns;
    }
  }
  for (size_t g = 0; g < rows; ++g) {
    EXPECT_LE(mean[g], 1 + 4 * std::sqrt(square[g] / kRuns)) << g;  // four standard errors
    EXPECT_LE(std::sqrt(square[g] / kRuns), .1) << g;
  }
}

TEST(ShapeTable, ShapesAreWhatTheyAreCalled) {
  const BucketRange range{.low = -60, .count = 120};
  std::vector<double> usual(range.count, ShapeTable::kLeast);
  for (size_t b = 20; b < 28; ++b) usual[b] = 1.0 / 8;  // one octave, even on a log scale
  ShapeTable table(range);
  table.learn(usual);
  const auto mass = [&](size_t shape, size_t from, size_t to) {
    double sum = 0;
    for (size_t b = from; b < to; ++b) sum += table.ratio(shape)[b] * usual[b];
    return sum;
  };
  table.build_shifts(std::vector<double>{0, std::log(2)});
  ASSERT_EQ(table.rows(), 2U);
  EXPECT_NEAR(mass(0, 20, 28), 1, 1e-4);  // nothing changes
  EXPECT_NEAR(mass(1, 28, 36), 1, 1e-4);  // an octave up
  table.build_kinds(0);
  ASSERT_EQ(table.rows(), ShapePlan::kKinds);
  EXPECT_NEAR(mass(1, 28, 120), .08, .005);             // most of the slowest 10 %, twice as long
  EXPECT_NEAR(mass(1, 20, 27), mass(0, 20, 27), 1e-9);  // and nothing else
  const size_t mode = ShapePlan::kTails + 4 * 4 + 3;    // 40 % take 30 s longer
  EXPECT_NEAR(mass(mode, 60, 120), .4, .01);
}

/// Log ratio after `seconds` of 40 requests a second among 400, of a canary slowed down by
/// `slower(t)` on the log scale: the evidence itself, without a battery around it.
template <class Slower>
double evidence_after(int seconds, uint64_t seed, const Slower& slower) {
  const BucketRange range{.low = -60, .count = 60};
  const auto usual = [&] {
    std::vector<double> p(range.count);
    double sum = 0;
    for (size_t b = 0; b < p.size(); ++b) {
      const double z = (static_cast<double>(b) - 22) / 6;
      sum += p[b] = std::exp(-.5 * z * z) + 1e-5;
    }
    for (double& x : p) x /= sum;
    return p;
  }();
  ShapeEvidence evidence(range, ShapePlan(0, .05, 7, std::log(1.05), std::log(4)));
  evidence.learn(usual);
  Rng rng(seed);
  std::discrete_distribution<size_t> draw(usual.begin(), usual.end());
  std::vector<size_t> filled;
  for (size_t b = 0; b < range.count; ++b) filled.push_back(b);
  for (int t = 0; t < seconds; ++t) {
    std::vector<double> canary(range.count, 0), baseline(range.count, 0);
    for (int i = 0; i < 360; ++i) baseline[draw(rng)] += 1;
    for (int i = 0; i < 40; ++i) {
      const double up = slower(t) / (std::log(2.0) / 8) + std::uniform_real_distribution()(rng);
      canary[std::min(draw(rng) + static_cast<size_t>(up), range.count - 1)] += 1;
    }
    evidence.step(canary, baseline, filled, .1, std::log(4) * std::exp(-t / 20.0), .5);
  }
  return evidence.log_ratio();
}

// Whatever part of the margin a healthy process makes use of, none included, it is no evidence.
TEST(ShapeEvidence, AnyAmplitudeOfWarmingUpIsInnocent) {
  for (const double amplitude : {0.0, .1, .37, .8, 1.3}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      for (const int seconds : {5, 20, 60}) {
        EXPECT_LT(
            evidence_after(seconds, seed, [&](int t) { return amplitude * std::exp(-t / 20.0); }),
            2)
            << amplitude << " seed " << seed << " after " << seconds;
      }
    }
  }
}

// A canary that needs no warm-up is not shielded by the margin until that has faded.
TEST(ShapeEvidence, AShiftThatDoesNotFadeIsFoundWhileTheMarginStands) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_GT(evidence_after(45, seed, [](int) { return std::log(1.5); }), 3) << seed;
  }
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
