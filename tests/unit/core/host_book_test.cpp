#include "aggregator/core/host_book.h"

#include <gtest/gtest.h>

namespace serin::core {
namespace {

constexpr int64_t kSecond = 1'000'000;

Identity agent(uint64_t start, uint64_t sequence, const std::string& boot = "b1") {
  return {"web-00", boot, start, sequence};
}

TEST(HostBook, ARestartedAgentIsNoConflict) {
  HostBook book;
  EXPECT_EQ(book.hear(agent(10, 1), "api", 1 * kSecond, 1 * kSecond), HostBook::Heard::fresh);
  EXPECT_EQ(book.hear(agent(20, 1), "api", 2 * kSecond, 2 * kSecond), HostBook::Heard::fresh);
  EXPECT_FALSE(book.in_conflict(3 * kSecond));
}

TEST(HostBook, WhatAnAgentHadInFlightWhenItWasReplacedIsNoConflict) {
  HostBook book;
  book.hear(agent(10, 1), "api", 1 * kSecond, 1 * kSecond);
  book.hear(agent(20, 1), "api", 3 * kSecond, 3 * kSecond);
  EXPECT_EQ(book.hear(agent(10, 2), "api", 2 * kSecond, 4 * kSecond), HostBook::Heard::fresh);
  EXPECT_FALSE(book.in_conflict(4 * kSecond));
}

TEST(HostBook, AnOlderAgentThatGoesOnSpeakingIsTwoHostsWithOneId) {
  HostBook book;
  book.hear(agent(10, 1, "b1"), "api", 1 * kSecond, 1 * kSecond);
  book.hear(agent(5, 1, "b2"), "api", 2 * kSecond, 2 * kSecond);
  EXPECT_EQ(book.hear(agent(10, 2, "b1"), "api", 3 * kSecond, 3 * kSecond), HostBook::Heard::conflict);
  EXPECT_TRUE(book.in_conflict(4 * kSecond));
  EXPECT_FALSE(book.in_conflict(3 * kSecond + HostBook::kConflictQuietUs));
}

TEST(HostBook, RepeatsAreKnownByIncarnationServiceAndSequence) {
  HostBook book;
  EXPECT_EQ(book.hear(agent(10, 1), "api", 1, 1), HostBook::Heard::fresh);
  EXPECT_EQ(book.hear(agent(10, 1), "web", 1, 1), HostBook::Heard::fresh);
  EXPECT_EQ(book.hear(agent(10, 1), "api", 1, 2), HostBook::Heard::repeat);
}

TEST(HostBook, GapsOfForgottenIncarnationsStayCounted) {
  HostBook book;
  for (uint64_t start = 1; start <= 10; ++start) {
    const auto at = static_cast<int64_t>(start) * kSecond;
    book.hear(agent(start, 1), "api", at, at);
    book.hear(agent(start, 4), "api", at, at);
  }
  EXPECT_EQ(book.missing("api"), 20u);
}

}  // namespace
}  // namespace serin::core
