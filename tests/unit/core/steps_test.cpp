#include "aggregator/core/steps.h"

#include <gtest/gtest.h>

namespace serin::core {
namespace {

constexpr int64_t kSecond = 1'000'000;

Sample sample(uint64_t requests, uint64_t errors, const std::string& version = "v1") {
  Sample s;
  s.version = version;
  s.requests = RequestMetrics{.requests = requests, .errors = errors};
  return s;
}

TEST(Steps, ASampleBelongsToTheSecondOfItsMiddle) {
  EXPECT_EQ(step_of(10 * kSecond, 1'000'000), 9);
  EXPECT_EQ(step_of(10 * kSecond + 499'999, 1'000'000), 9);
  EXPECT_EQ(step_of(10 * kSecond + 500'000, 1'000'000), 10);
  EXPECT_EQ(step_of(20 * kSecond, 10'000'000), 15);
}

TEST(Steps, TwoSamplesOfOneHostInOneSecondAddUp) {
  StepTable table;
  ASSERT_TRUE(table.add(sample(10, 1), 0, 10 * kSecond, 5, true));
  ASSERT_TRUE(table.add(sample(20, 2), 0, 10 * kSecond + 100, 4, true));
  const auto* cells = table.at(9);
  ASSERT_NE(cells, nullptr);
  ASSERT_EQ(cells->size(), 1u);
  EXPECT_EQ(cells->front().requests, 30u);
  EXPECT_EQ(cells->front().errors, 3u);
  EXPECT_EQ(cells->front().age_seconds, 4);
}

// Failures are amounts, connections are a level.
TEST(Steps, SocketsOfTwoSamplesAddUpWhereTheyAreAmounts) {
  StepTable table;
  Sample s = sample(10, 0);
  s.sockets = {.outbound = 20, .close_wait = 3, .failed_connects = 2};
  ASSERT_TRUE(table.add(s, 0, 10 * kSecond, 5, true));
  s.sockets = {.outbound = 30, .close_wait = std::nullopt, .failed_connects = 5};
  ASSERT_TRUE(table.add(s, 0, 10 * kSecond + 100, 5, true));
  const Cell& cell = table.at(9)->front();
  EXPECT_EQ(cell.connections, 30);
  EXPECT_EQ(cell.failed_connects, 7);
  EXPECT_FALSE(cell.accept_overflows) << "what nobody could read is not zero";
}

TEST(Steps, AConnectionThatThePeerHasClosedIsStillHeld) {
  EXPECT_EQ(connections_of({.outbound = 20, .close_wait = 3}), 23);
  EXPECT_EQ(connections_of({.outbound = 0}), 0);
  EXPECT_FALSE(connections_of({.close_wait = 3}));
}

TEST(Steps, TwoVersionsInOneSecondStayApart) {
  StepTable table;
  table.add(sample(10, 1, "v1"), 0, 10 * kSecond, 100, true);
  table.add(sample(5, 5, "v2"), 0, 10 * kSecond + 1, 0, true);
  EXPECT_EQ(table.at(9)->size(), 2u);
}

TEST(Steps, AClosedSecondTakesNothingMore) {
  StepTable table;
  table.add(sample(10, 1), 0, 10 * kSecond, 5, true);
  table.close(9);
  EXPECT_FALSE(table.add(sample(10, 1), 1, 10 * kSecond, 5, true));
  EXPECT_TRUE(table.add(sample(10, 1), 1, 11 * kSecond, 5, true));
}

TEST(Steps, WhatIsKeptIsBounded) {
  StepTable table;
  for (int64_t t = 1; t < 5000; ++t) table.add(sample(1, 0), 0, t * kSecond, 5, true);
  EXPECT_EQ(table.at(10), nullptr);
  EXPECT_NE(table.at(4990), nullptr);
}

}  // namespace
}  // namespace serin::core
