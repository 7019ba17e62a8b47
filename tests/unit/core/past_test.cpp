#include "aggregator/core/past.h"

#include <gtest/gtest.h>

namespace serin::core {
namespace {

TEST(JudgeOptions, TakeTheCalibratedFactorUnlessThePolicyWantsTheTheorem) {
  const CounterBook counters;
  Policy policy;
  EXPECT_EQ(judge_options(policy, counters, judge::kInflation).inflation, judge::kInflation);
  policy.guarantee = Policy::Guarantee::proven;
  EXPECT_EQ(judge_options(policy, counters, judge::kInflation).inflation, 1);
}

TEST(JudgeOptions, HoldEveryMarginOfThePolicy) {
  Policy policy;
  policy.margins = {.errors_relative = 0.1,
                    .errors_absolute = 0.2,
                    .latency_p50 = 0.3,
                    .latency_p90 = 0.4,
                    .latency_p99 = 0.5,
                    .cpu_per_request = 0.6,
                    .connections = 0.8,
                    .memory = 0.7};
  const auto options = judge_options(policy, CounterBook(), 1);
  EXPECT_EQ(options.errors_relative, 0.1);
  EXPECT_EQ(options.errors_absolute, 0.2);
  EXPECT_EQ(options.latency_p50, 0.3);
  EXPECT_EQ(options.latency_p90, 0.4);
  EXPECT_EQ(options.latency_p99, 0.5);
  EXPECT_EQ(options.cpu_per_request, 0.6);
  EXPECT_EQ(options.memory_growth, 0.7);
  EXPECT_EQ(options.connections, 0.8);
}

}  // namespace
}  // namespace serin::core
