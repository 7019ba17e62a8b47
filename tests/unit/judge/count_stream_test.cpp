#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "aggregator/core/judge/count_stream.h"
#include "aggregator/core/judge/effect_interval.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::Rng;

CountOptions usual(double alpha) {
  CountOptions o;
  o.alpha = alpha;
  o.margin = std::log(1.25);
  o.null = {.centre = 0.1, .s = 0.3, .s_slow = 0.22, .s_fast = 0.2, .degrees = 18};
  return o;
}

// The bound itself, at the boundary of the null, with a bad share that swings wildly from step to
// step.
TEST(CountStream, AnEValueIsFairUnderItsNull) {
  struct Case {
    uint64_t canary, baseline;
    double low, high;
  };
  constexpr int kRuns = 4000, kSteps = 20;
  Rng rng(31);
  for (const Case& c : {Case{10, 190, .001, .01}, Case{100, 1900, .3, .7}, Case{50, 50, .3, .7},
                        Case{5, 20, .01, .99}, Case{1000, 1000, .001, .05}}) {
    for (const double odds : {1.1, 1.5, 3.0}) {
      double sum = 0;
      int crossed = 0;
      for (int run = 0; run < kRuns; ++run) {
        double evidence = 0, highest = 0;
        for (int t = 0; t < kSteps; ++t) {
          const double p = std::uniform_real_distribution<double>(c.low, c.high)(rng);
          const Counts counts{
              .canary_bad = static_cast<double>(test::binomial(rng, c.canary, p)),
              .canary = static_cast<double>(c.canary),
              .baseline_bad = static_cast<double>(test::binomial(rng, c.baseline, p)),
              .baseline = static_cast<double>(c.baseline)};
          evidence += counts.canary_bad * std::log(odds) - Branch(counts).cumulant(odds);
          highest = std::max(highest, evidence);
        }
        sum += std::exp(evidence);
        crossed += highest >= std::log(100);
      }
      const double mean = sum / kRuns;
      // Heavy tails: three standard errors of the mean, whose variance is at most (sup e) * mean.
      EXPECT_LE(mean, 1.01 + 3 * std::sqrt(20.0 / kRuns))
          << c.canary << ' ' << c.low << ' ' << odds;
      EXPECT_LE(crossed, kRuns / 100) << c.canary << ' ' << c.low << ' ' << odds;
    }
  }
}

// The whole stream where the true difference is drawn from its own null: every process stays a fair
// bet.
TEST(CountStream, RarelyCrossesAHundredUnderItsOwnNull) {
  CountOptions options = usual(0.01);
  options.null.s_fast = 0;
  options.null.s = options.null.s_slow;
  const CountPlan plan(options);
  constexpr int kRuns = 1500, kSteps = 60;
  Rng rng(32);
  std::array<int, kProcesses> crossed{};
  std::array<double, kProcesses> mean{};
  for (int run = 0; run < kRuns; ++run) {
    CountStream stream(plan);
    const double t = std::student_t_distribution<double>(options.null.degrees)(rng);
    const double factor = std::exp(options.null.centre + options.null.s * t);
    for (int i = 0; i < kSteps; ++i) {
      const double p = std::uniform_real_distribution<double>(.001, .01)(rng);
      const uint64_t nc = 200, nb = 3800;
      stream.step({.canary_bad = static_cast<double>(test::binomial(rng, nc, p * factor)),
                   .canary = static_cast<double>(nc),
                   .baseline_bad = static_cast<double>(test::binomial(rng, nb, p)),
                   .baseline = static_cast<double>(nb)});
    }
    for (size_t p = 0; p < kProcesses; ++p) {
      const auto process = static_cast<Process>(p);
      mean[p] += std::exp(std::min(stream.log_evidence(process), 10.0)) / kRuns;
      crossed[p] += stream.highest(process) >= std::log(100);
    }
  }
  for (size_t p = 0; p < kProcesses; ++p) {
    EXPECT_LE(mean[p], 1.01) << name(static_cast<Process>(p));
    EXPECT_LE(crossed[p], kRuns / 100) << name(static_cast<Process>(p));
  }
}

struct Fired {
  double any = std::numeric_limits<double>::infinity(), random_effects = any;
};

Fired fires_at(const CountPlan& plan, uint64_t seed) {
  Rng rng(seed);
  CountStream stream(plan);
  const double effect = std::exp(std::uniform_real_distribution<double>(0.5, 4)(rng));
  const int onset = std::uniform_int_distribution<int>(0, 60)(rng);
  const double share = std::exp(std::uniform_real_distribution<double>(-7, -3)(rng));
  Fired fired;
  for (int t = 0; t < 240; ++t) {
    const double now = share * (t < onset ? 1 : effect);
    stream.step({.canary_bad = static_cast<double>(test::binomial(rng, 60, now)),
                 .canary = 60,
                 .baseline_bad = static_cast<double>(test::binomial(rng, 600, share)),
                 .baseline = 600},
                {.shift = 0, .fade = std::log(4) * std::exp(-t / 15.0)});
    for (size_t i = 0; i < kProcesses; ++i) {
      const auto p = static_cast<Process>(i);
      if (stream.log_evidence(p) < stream.threshold(p)) continue;
      fired.any = std::min<double>(fired.any, t);
      if (p == Process::random_effects)
        fired.random_effects = std::min<double>(fired.random_effects, t);
    }
  }
  return fired;
}

// A limiter that has to climb out of the red first would fire later when more alpha is given.
TEST(CountStream, MoreAlphaNeverFiresLater) {
  const CountPlan little(usual(.003)), some(usual(.01)), much(usual(.1));
  int fired = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const Fired a = fires_at(little, seed), b = fires_at(some, seed), c = fires_at(much, seed);
    EXPECT_LE(b.any, a.any) << seed;
    EXPECT_LE(c.any, b.any) << seed;
    EXPECT_LE(b.random_effects, a.random_effects) << seed;
    EXPECT_LE(c.random_effects, b.random_effects) << seed;
    fired += std::isfinite(a.any);
  }
  EXPECT_GT(fired, 120);  // most of these streams are found, or the test says nothing
}

TEST(CountStream, OneStepAloneNeverFires) {
  const CountPlan plan(usual(.01));
  CountStream stream(plan);
  stream.step({.canary_bad = 1000, .canary = 1000, .baseline_bad = 1, .baseline = 19000});
  for (size_t i = 0; i < kProcesses; ++i) {
    const auto p = static_cast<Process>(i);
    EXPECT_LT(stream.log_evidence(p), stream.threshold(p)) << name(p);
  }
  stream.step({.canary_bad = 1000, .canary = 1000, .baseline_bad = 1, .baseline = 19000});
  EXPECT_GE(stream.log_evidence(Process::random_effects),
            stream.threshold(Process::random_effects));
}

TEST(CountStream, ThePriorOnLateStartsIsPaidWithoutDataToo) {
  CountOptions options = usual(.01);
  options.horizon_seconds = 100;
  const CountPlan plan(options);
  CountStream empty(plan), quiet(plan);
  for (int t = 0; t < 150; ++t) {
    empty.step({});
    quiet.step({.canary_bad = 0, .canary = 10, .baseline_bad = 0, .baseline = 190});
  }
  // Nothing seen, nothing won or lost: all of the prior has become "started".
  EXPECT_NEAR(empty.log_evidence(Process::late), 0, 1e-9);
  EXPECT_NEAR(quiet.log_evidence(Process::late), 0, 1e-9);
  const Counts bad{.canary_bad = 5, .canary = 10, .baseline_bad = 0, .baseline = 190};
  CountStream fresh(plan);
  fresh.step(bad);
  empty.step(bad);
  EXPECT_GT(empty.log_evidence(Process::late), fresh.log_evidence(Process::late) + 1);
}

TEST(CountStream, HugeCountsStayFinite) {
  const CountPlan plan(usual(.01));
  CountStream stream(plan);
  for (int t = 0; t < 2000; ++t) {
    stream.step({.canary_bad = 1e6, .canary = 1e6, .baseline_bad = 0, .baseline = 1e9});
    for (size_t i = 0; i < kProcesses; ++i) {
      ASSERT_TRUE(std::isfinite(stream.log_evidence(static_cast<Process>(i)))) << t;
    }
  }
}

TEST(EffectInterval, CoversTheTruthAtAllTimesTogether) {
  CountOptions options = usual(.01);
  const CountPlan plan(options);
  constexpr int kRuns = 300;
  int missed = 0;
  Rng rng(33);
  for (int run = 0; run < kRuns; ++run) {
    EffectInterval interval(plan);
    const double truth = std::uniform_real_distribution<double>(-0.7, 3)(rng);
    bool inside = true;
    for (int t = 0; t < 200; ++t) {
      const double share = .01, odds = share / (1 - share) * std::exp(truth);
      interval.step({.canary_bad = static_cast<double>(test::binomial(rng, 100, odds / (1 + odds))),
                     .canary = 100,
                     .baseline_bad = static_cast<double>(test::binomial(rng, 1900, share)),
                     .baseline = 1900});
      inside &= !(interval.low() && *interval.low() > truth) &&
                !(interval.high() && *interval.high() < truth);
    }
    missed += !inside;
    ASSERT_TRUE(interval.estimate() && interval.low() && interval.high());
    EXPECT_LT(*interval.low(), *interval.estimate());
    EXPECT_GT(*interval.high(), *interval.estimate());
    EXPECT_NEAR(*interval.estimate(), truth, 0.6 + (truth < 0 ? 0.5 : 0));
  }
  EXPECT_LE(missed, kRuns / 20);
}

TEST(EffectInterval, SaysNothingWithoutData) {
  const CountPlan plan(usual(.01));
  EffectInterval interval(plan);
  EXPECT_FALSE(interval.estimate() || interval.low() || interval.high());
  // Bad requests on one side only: no upper end, and no estimate.
  for (int t = 0; t < 20; ++t) {
    interval.step({.canary_bad = 3, .canary = 50, .baseline_bad = 0, .baseline = 950});
  }
  EXPECT_FALSE(interval.estimate());
  EXPECT_FALSE(interval.high());
  ASSERT_TRUE(interval.low());
  EXPECT_GT(*interval.low(), 1);
}

}  // namespace
}  // namespace serin::judge
