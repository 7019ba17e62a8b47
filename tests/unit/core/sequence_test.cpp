#include "aggregator/core/sequence.h"

#include <gtest/gtest.h>

namespace serin::core {
namespace {

TEST(Sequence, ARepeatIsNotFresh) {
  SequenceTracker tracker;
  EXPECT_TRUE(tracker.observe(1));
  EXPECT_FALSE(tracker.observe(1));
  EXPECT_TRUE(tracker.observe(2));
  EXPECT_FALSE(tracker.observe(1));
  EXPECT_EQ(tracker.missing(), 0u);
}

TEST(Sequence, AGapIsCountedAndClosesWhenItsMessagesArriveLate) {
  SequenceTracker tracker;
  tracker.observe(1);
  tracker.observe(5);
  EXPECT_EQ(tracker.missing(), 3u);
  EXPECT_TRUE(tracker.observe(3));
  EXPECT_FALSE(tracker.observe(3));
  EXPECT_EQ(tracker.missing(), 2u);
  EXPECT_TRUE(tracker.observe(2));
  EXPECT_TRUE(tracker.observe(4));
  EXPECT_EQ(tracker.missing(), 0u);
}

TEST(Sequence, AStreamWhoseBeginningIsGoneHasNoGapThere) {
  SequenceTracker tracker;
  EXPECT_TRUE(tracker.observe(500));
  EXPECT_EQ(tracker.missing(), 0u);
}

TEST(Sequence, AFirstMessageThatComesSecondIsFresh) {
  SequenceTracker tracker;
  EXPECT_TRUE(tracker.observe(2));
  EXPECT_EQ(tracker.missing(), 0u);
  EXPECT_TRUE(tracker.observe(1));
  EXPECT_FALSE(tracker.observe(1));
  EXPECT_EQ(tracker.missing(), 0u);
}

TEST(Sequence, WhatItRemembersIsBounded) {
  SequenceTracker tracker;
  for (uint64_t i = 1; i <= 1000; ++i) tracker.observe(2 * i);
  EXPECT_EQ(tracker.missing(), 999u);
  EXPECT_FALSE(tracker.observe(3)) << "a hole that was forgotten counts as seen: better lost than twice";
  EXPECT_TRUE(tracker.observe(1999));
  EXPECT_EQ(tracker.missing(), 998u);
}

}  // namespace
}  // namespace serin::core
