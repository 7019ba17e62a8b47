#include "agent/probe/run_delay.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

/// A process 10 whose threads are written down.
class RunDelayTest : public testing::Test {
 protected:
  void thread(int32_t id, uint64_t wait_ns, uint64_t runs = 1) {
    write_text(proc_ / fmt::format("10/task/{}/schedstat", id),
               fmt::format("1000 {} {}\n", wait_ns, runs));
  }
  /// As the kernel answers for a thread that is no more: nothing.
  void end(int32_t id) {
    write_text(proc_ / fmt::format("10/task/{}/schedstat", id), "");
    std::filesystem::remove_all(proc_ / fmt::format("10/task/{}", id));
  }
  std::optional<uint64_t> read(uint64_t threads) { return delay_.read(pids_, threads); }

  TempFolder proc_;
  std::array<int32_t, 1> pids_{10};
  RunDelay delay_{proc_.path()};
};

TEST_F(RunDelayTest, WhatThreadsWaitedBeforeTheFirstLookIsNotCounted) {
  thread(10, 5'000'000);
  thread(11, 7'000);
  EXPECT_EQ(read(2), 0U);
  thread(10, 5'000'400);
  thread(11, 7'030);
  EXPECT_EQ(read(2), 430U);
}

TEST_F(RunDelayTest, AThreadBornSinceIsCountedFromItsBirth) {
  thread(10, 5'000'000);
  EXPECT_EQ(read(1), 0U);
  thread(11, 300);
  EXPECT_EQ(read(2), 300U);
}

TEST_F(RunDelayTest, AThreadThatEndsTakesNothingBack) {
  thread(10, 0);
  thread(11, 0);
  EXPECT_EQ(read(2), 0U);
  thread(11, 500);
  EXPECT_EQ(read(2), 500U);
  end(11);
  EXPECT_EQ(read(1), 500U);
}

TEST_F(RunDelayTest, OneThatTakesAnothersPlaceIsFoundThoughTheirNumberIsTheSame) {
  thread(10, 0);
  thread(11, 0);
  EXPECT_EQ(read(2), 0U);
  end(11);
  thread(12, 70);
  EXPECT_EQ(read(2), 70U);
}

TEST_F(RunDelayTest, TooManyThreadsAreAbsentAndBeginAnewWhenTheyAreFewer) {
  thread(10, 100);
  EXPECT_EQ(read(1), 0U);
  EXPECT_FALSE(read(RunDelay::kMostThreads + 1));
  EXPECT_THAT(delay_.problem(), testing::HasSubstr("more than 32 threads"));
  thread(10, 900);
  EXPECT_EQ(read(1), 0U);
  EXPECT_EQ(delay_.problem(), "");
}

TEST_F(RunDelayTest, MoreThreadsThanTheKernelSaidAreTooManyAsWell) {
  for (int32_t id = 10; id <= 10 + static_cast<int32_t>(RunDelay::kMostThreads); ++id)
    thread(id, 0);
  EXPECT_FALSE(read(1));
  EXPECT_THAT(delay_.problem(), testing::HasSubstr("more than 32 threads"));
}

TEST_F(RunDelayTest, AKernelThatDoesNotCountIsNoWaitOfZero) {
  thread(10, 0, 0);
  EXPECT_FALSE(read(1));
  EXPECT_THAT(delay_.problem(), testing::HasSubstr("CONFIG_SCHED_INFO"));
}

TEST_F(RunDelayTest, HiddenOrGoneThreadsAreNoWaitOfZero) {
  EXPECT_FALSE(read(1));
  EXPECT_NE(delay_.problem(), "");
}

TEST_F(RunDelayTest, AForeignFileIsNoThread) {
  write_text(proc_ / "10/task/10/schedstat", "one two three\n");
  write_text(proc_ / "10/task/self/schedstat", "1 2 3\n");
  EXPECT_FALSE(read(1));
}

}  // namespace
}  // namespace serin::agent
