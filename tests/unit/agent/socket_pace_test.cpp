#include "agent/probe/socket_pace.h"

#include <gtest/gtest.h>

namespace serin::agent {
namespace {

constexpr uint64_t kSecond = 1'000'000, kBudgetNs = 300'000;

TEST(SocketPace, TheFirstLookIsDueAtOnce) {
  EXPECT_TRUE(SocketPace{}.is_due(0));
}

TEST(SocketPace, WhatIsCheapIsLookedAtEachSecond) {
  SocketPace pace;
  pace.looked(10 * kSecond, kBudgetNs, kBudgetNs);
  EXPECT_EQ(pace.period_us(), kSecond);
  EXPECT_FALSE(pace.is_due(10 * kSecond + 300'000));
  EXPECT_TRUE(pace.is_due(11 * kSecond - 20'000));  // ticks come a moment early now and then
}

TEST(SocketPace, WhatCostsMoreIsLookedAtSoSeldomThatTheBudgetHolds) {
  for (uint64_t cost_ns = 0; cost_ns <= 10 * kBudgetNs; cost_ns += 10'000) {
    SocketPace pace;
    pace.looked(0, cost_ns, kBudgetNs);
    EXPECT_LE(cost_ns * kSecond / pace.period_us(), kBudgetNs);
    if (pace.period_us() > kSecond) {
      EXPECT_GT(cost_ns * kSecond / (pace.period_us() - kSecond), kBudgetNs);
    }
  }
}

TEST(SocketPace, LevelsNeverBecomeOlderThanTenSeconds) {
  SocketPace pace;
  pace.looked(0, UINT64_MAX / 8, kBudgetNs);
  EXPECT_EQ(pace.period_us(), 10 * kSecond);
  pace.looked(0, 1, 0);
  EXPECT_LE(pace.period_us(), 10 * kSecond);
}

TEST(SocketPace, OneCheapLookDoesNotMakeItFastAgain) {
  SocketPace pace;
  pace.looked(0, 8 * kBudgetNs, kBudgetNs);
  EXPECT_EQ(pace.period_us(), 8 * kSecond);
  pace.looked(8 * kSecond, 0, kBudgetNs);
  EXPECT_EQ(pace.period_us(), 6 * kSecond);
  for (int i = 0; i < 20; ++i) pace.looked(0, 0, kBudgetNs);
  EXPECT_EQ(pace.period_us(), kSecond);
}

TEST(SocketPace, WhatIsTooMuchToLookAtIsAskedForAgainAfterAMinute) {
  SocketPace pace;
  pace.looked_in_vain(0);
  EXPECT_FALSE(pace.is_due(50 * kSecond));
  EXPECT_TRUE(pace.is_due(60 * kSecond));
}

}  // namespace
}  // namespace serin::agent
