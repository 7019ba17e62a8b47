#include "common/loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <thread>

#include "common/file.h"

namespace serin {
namespace {

TEST(Loop, ATimerCallsOnceOrAgainAndAgain) {
  UvLoop loop;
  int once = 0;
  int often = 0;
  UvTimer first(loop.get(), [&] { ++once; });
  std::optional<UvTimer> second;
  second.emplace(loop.get(), [&] {
    if (++often == 3) second->stop();
  });
  EXPECT_FALSE(first.active());
  first.start(1);
  second->start(0, 1);
  EXPECT_TRUE(first.active());
  loop.run();
  EXPECT_EQ(once, 1);
  EXPECT_EQ(often, 3);
}

TEST(Loop, ATimerMayDestroyItselfInItsOwnCallback) {
  UvLoop loop;
  int calls = 0;
  std::optional<UvTimer> timer;
  timer.emplace(loop.get(), [&, kept = std::make_shared<int>(7)] {
    timer.reset();
    calls += *kept;  // what the callback holds lives until it returns
  });
  timer->start(0, 1);
  loop.run();
  EXPECT_EQ(calls, 7);
}

TEST(Loop, ADestroyedTimerIsSilent) {
  UvLoop loop;
  int calls = 0;
  {
    UvTimer timer(loop.get(), [&] { ++calls; });
    timer.start(0, 1);
  }
  loop.run();
  EXPECT_EQ(calls, 0);
}

TEST(Loop, AMovedTimerGoesOn) {
  UvLoop loop;
  int calls = 0;
  UvTimer timer(loop.get(), [&] { ++calls; });
  timer.start(0);
  UvTimer other(loop.get(), [&] { calls += 100; });
  other.start(0);
  other = std::move(timer);
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Loop, AnotherThreadWakesTheLoop) {
  UvLoop loop;
  int calls = 0;
  std::optional<UvAsync> async;
  async.emplace(loop.get(), [&] {
    ++calls;
    async.reset();
  });
  std::thread sender([&, wake = &*async] { wake->send(); });
  sender.join();
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Loop, ADescriptorIsWatchedUntilItIsReadable) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd in(ends[0]);
  const UniqueFd out(ends[1]);
  UvLoop loop;
  int seen = 0;
  std::optional<UvPoll> poll;
  auto made = UvPoll::make(loop.get(), in.get(), [&](int status, int events) {
    EXPECT_EQ(status, 0);
    seen = events;
    poll.reset();
  });
  ASSERT_TRUE(made);
  poll = std::move(*made);
  poll->start(UV_READABLE);
  ASSERT_EQ(::write(out.get(), "x", 1), 1);
  loop.run();
  EXPECT_EQ(seen, UV_READABLE);
}

TEST(Loop, WhatCannotBeWatchedIsAnError) {
  UvLoop loop;
  EXPECT_FALSE(UvPoll::make(loop.get(), -1, [](int, int) {}));
}

TEST(Loop, ASignalIsACall) {
  UvLoop loop;
  int seen = 0;
  std::optional<UvSignal> signal;
  signal.emplace(loop.get(), SIGUSR2, [&](int number) {
    seen = number;
    signal.reset();
  });
  ASSERT_EQ(::kill(::getpid(), SIGUSR2), 0);
  loop.run();
  EXPECT_EQ(seen, SIGUSR2);
}

TEST(LoopDeathTest, AHandleThatOutlivesItsLoopIsNamed) {
  EXPECT_DEATH(
      {
        std::optional<UvTimer> timer;
        UvLoop loop;
        timer.emplace(loop.get(), [] {});
      },
      "still open on the loop: a timer");
}

}  // namespace
}  // namespace serin
