#include "agent/service/unit_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fmt/core.h>

namespace serin::agent {
namespace {

using Whence = UnitWord::Whence;
using testing::ElementsAre;

constexpr uint64_t kSecond = 1'000'000;

UnitWord word(std::string active, std::string sub, std::string invocation, int32_t pid) {
  UnitWord word;
  word.unit = "api.service";
  word.load_state = "loaded";
  word.active_state = std::move(active);
  word.sub_state = std::move(sub);
  word.result = "success";
  word.invocation = std::move(invocation);
  word.cgroup = "/system.slice/api.service";
  word.main_pid = word.last_main_pid = pid;
  return word;
}
UnitWord runs(std::string invocation, int32_t pid, uint64_t start_us) {
  auto said = word("active", "running", std::move(invocation), pid);
  said.main_start_us = start_us;
  said.main_start_wall_us = static_cast<int64_t>(start_us);
  said.state_change_us = start_us;
  return said;
}
/// `before`, whose main process has ended.
UnitWord ended(const UnitWord& before, std::string active, std::string sub, std::string result,
               int kind, int value, uint64_t exit_us) {
  UnitWord said = before;
  said.active_state = std::move(active);
  said.sub_state = std::move(sub);
  said.result = std::move(result);
  said.main_pid = 0;
  said.exit_kind = kind;
  said.exit_value = value;
  said.main_exit_us = exit_us;
  said.active_exit_us = exit_us + 100;
  said.state_change_us = exit_us + 200;
  said.cgroup.clear();
  return said;
}
UnitWord with(UnitWord word, Whence whence) {
  word.whence = whence;
  return word;
}

/// Writes down what the follower tells, in order.
class UnitFollowerTest : public testing::Test {
 protected:
  UnitFollower::Handlers handlers() {
    return {.began =
                [this](const UnitProcess& p) {
                  told.push_back(
                      fmt::format("{} {} pid {}", p.gone ? "came" : "began", p.generation, p.pid));
                },
            .ended =
                [this](const UnitEnd& e) {
                  std::string text = "ended " + e.generation;
                  if (e.status.exit_code) text += fmt::format(" exit {}", *e.status.exit_code);
                  if (e.status.signal) text += fmt::format(" signal {}", *e.status.signal);
                  if (!e.asked) text += " who knows";
                  if (e.asked.value_or(false)) text += e.replaced ? " replaced" : " asked";
                  if (!e.reason.empty()) text += " " + e.reason;
                  told.push_back(text);
                },
            .carried_on =
                [this](const UnitProcess& p) {
                  told.push_back(fmt::format("carried on pid {}", p.pid));
                },
            .failed = [this](const std::string& reason) { told.push_back("failed " + reason); },
            .rests = [this](bool asked) { told.push_back(asked ? "rests asked" : "rests"); }};
  }
  std::vector<std::string> take() { return std::exchange(told, {}); }

  std::vector<std::string> told;
  std::vector<int32_t> cgroup;
  UnitFollower follower{handlers(), [this](const std::string&) { return cgroup; }};
};

TEST_F(UnitFollowerTest, WhatRunsIsToldOnceWithItsInvocation) {
  follower.take(runs("a1", 63, kSecond));
  follower.take(runs("a1", 63, kSecond));
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63"));
}

TEST_F(UnitFollowerTest, ACrashThatTheManagerRepairsIsAnEndAndAStartAndNoFailure) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto crash = ended(first, "activating", "auto-restart", "signal", CLD_KILLED, 9, 2 * kSecond);
  follower.take(with(crash, Whence::signal));
  follower.take(with(crash, Whence::read));
  follower.take(crash);
  auto second = runs("a2", 70, 3 * kSecond);
  second.restarts = 1;
  follower.take(second);
  EXPECT_THAT(take(),
              ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 signal 9 signal",
                          "began api.service:a2 pid 70"));
}

TEST_F(UnitFollowerTest, FailedForAnInstantBeforeAnAutomaticRestartIsNoFailure) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto instant = ended(first, "failed", "failed", "exit-code", CLD_EXITED, 1, 2 * kSecond);
  follower.take(with(instant, Whence::signal));
  follower.take(with(instant, Whence::read));
  auto waiting =
      ended(first, "activating", "auto-restart", "exit-code", CLD_EXITED, 1, 2 * kSecond);
  follower.take(waiting);
  EXPECT_THAT(take(),
              ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 exit 1 exit-code"));
}

TEST_F(UnitFollowerTest, AFailureThatLastsIsToldOnceAndWithItsReason) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto failed = ended(first, "failed", "failed", "exit-code", CLD_EXITED, 3, 2 * kSecond);
  failed.restarts = 5;
  follower.take(with(failed, Whence::read));
  follower.take(failed);
  follower.take(failed);
  EXPECT_THAT(take(),
              ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 exit 3 exit-code",
                          "failed exit-code (exit status 3), after 5 automatic restarts"));
}

TEST_F(UnitFollowerTest, AStopByHandWasAskedForEvenIfTheProcessAnswersItWithAnError) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto stopped = ended(first, "failed", "failed", "exit-code", CLD_EXITED, 143, 3 * kSecond);
  stopped.active_exit_us = 2 * kSecond;  // it left its active state first, then the process ended
  follower.take(stopped);
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63",
                                  "ended api.service:a1 exit 143 asked exit-code"));
}

TEST_F(UnitFollowerTest, AStopThatTakesSoLongThatTheManagerKillsIsStillAsked) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto stopping = first;
  stopping.active_state = "deactivating";
  stopping.sub_state = "stop-sigterm";
  stopping.active_exit_us = 2 * kSecond;
  follower.take(with(stopping, Whence::signal));
  auto killed = ended(stopping, "failed", "failed", "timeout", CLD_KILLED, 9, 90 * kSecond);
  killed.active_exit_us = 2 * kSecond;
  follower.take(killed);
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63",
                                  "ended api.service:a1 signal 9 asked timeout"));
}

TEST_F(UnitFollowerTest, AStopOnTheManagersOwnAccountWasNotAskedFor) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto dog = first;
  dog.active_state = "deactivating";
  dog.sub_state = "stop-watchdog";
  dog.result = "watchdog";
  dog.active_exit_us = 2 * kSecond;
  follower.take(with(dog, Whence::signal));
  auto killed = ended(dog, "failed", "failed", "watchdog", CLD_DUMPED, 6, 3 * kSecond);
  killed.active_exit_us = 2 * kSecond;
  follower.take(killed);
  EXPECT_THAT(take(),
              ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 signal 6 watchdog",
                          "failed watchdog (signal 6)"));
}

TEST_F(UnitFollowerTest, AUnitThatIsUnloadedAtOnceAfterItsStopEndedAsAskedFor) {
  follower.take(runs("a1", 63, kSecond));
  auto unloaded = word("inactive", "dead", "", 0);
  follower.take(unloaded);
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 asked"));
}

TEST_F(UnitFollowerTest, ARestartTooFastForAWordBetweenIsTakenForWhatTheCountOfRestartsSays) {
  auto first = runs("a1", 63, kSecond);
  first.restarts = 2;
  follower.take(first);
  auto by_hand = runs("a2", 70, 2 * kSecond);  // the count begins anew
  follower.take(by_hand);
  auto automatic = runs("a3", 71, 3 * kSecond);
  automatic.restarts = 1;
  follower.take(automatic);
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 asked",
                                  "began api.service:a2 pid 70", "ended api.service:a2",
                                  "began api.service:a3 pid 71"));
}

TEST_F(UnitFollowerTest, AStartThatDiesBetweenTwoWordsIsToldWithItsEnd) {
  follower.take(runs("a1", 63, kSecond));
  auto second = ended(runs("a2", 70, 2 * kSecond), "activating", "auto-restart", "exit-code",
                      CLD_EXITED, 203, 2 * kSecond + 10);
  second.restarts = 1;
  follower.take(second);
  EXPECT_THAT(take(),
              ElementsAre("began api.service:a1 pid 63", "ended api.service:a1",
                          "came api.service:a2 pid 70", "ended api.service:a2 exit 203 exit-code"));
}

TEST_F(UnitFollowerTest, AStartThatFailsBeforeItsMainProcessHasNoStatusOfTheOneBefore) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto crash = ended(first, "activating", "auto-restart", "signal", CLD_KILLED, 9, 2 * kSecond);
  follower.take(crash);
  take();
  auto second = crash;
  second.invocation = "a2";
  second.active_state = second.sub_state = "failed";
  second.result = "exit-code";
  follower.take(second);
  EXPECT_THAT(take(), ElementsAre("came api.service:a2 pid 0", "ended api.service:a2 exit-code",
                                  "failed exit-code"));
}

TEST_F(UnitFollowerTest, AReloadIsNeitherAnEndNorAStart) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  auto reloading = first;
  reloading.active_state = "reloading";
  reloading.sub_state = "reload";
  follower.take(with(reloading, Whence::signal));
  follower.take(first);
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63"));
}

TEST_F(UnitFollowerTest, AnotherMainProcessInTheSameInvocationIsAGenerationOfItsOwn) {
  follower.take(runs("a1", 63, kSecond));
  follower.take(runs("a1", 99, 2 * kSecond));
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 replaced",
                                  "began api.service:a1:99 pid 99"));
}

TEST_F(UnitFollowerTest, WithoutAMainProcessTheOldestOfTheCgroupStandsForIt) {
  cgroup = {20, 21};
  auto forking = word("active", "running", "a1", 0);
  follower.take(forking);
  cgroup = {21};
  follower.process_ended({});
  follower.take(forking);
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 20", "carried on pid 21"));
  EXPECT_FALSE(follower.awaits_word());
}

TEST_F(UnitFollowerTest, TheKernelsWordIsTakenWhereTheManagersDoesNotCome) {
  follower.take(runs("a1", 63, kSecond));
  follower.process_ended({});
  EXPECT_TRUE(follower.awaits_word());
  follower.take(runs("a1", 63, kSecond));  // it has not noticed yet
  EXPECT_TRUE(follower.awaits_word());
  follower.give_up();
  EXPECT_FALSE(follower.awaits_word());
  EXPECT_THAT(take(), ElementsAre("began api.service:a1 pid 63", "ended api.service:a1 who knows"));
}

TEST_F(UnitFollowerTest, TheWordThatCameTooLateDoesNotTellTheSameEndAgain) {
  auto first = runs("a1", 63, kSecond);
  follower.take(first);
  follower.process_ended({});
  follower.give_up();
  take();
  follower.take(first);
  follower.take(ended(first, "inactive", "dead", "success", CLD_EXITED, 0, 2 * kSecond));
  EXPECT_THAT(take(), ElementsAre());
}

TEST_F(UnitFollowerTest, AUnitThatSomebodyStoppedBeforeTheAgentCameRestsOnPurpose) {
  auto stopped =
      ended(runs("a1", 63, kSecond), "inactive", "dead", "success", CLD_KILLED, 15, 3 * kSecond);
  stopped.active_exit_us = 2 * kSecond;
  follower.take(stopped);
  EXPECT_THAT(take(), ElementsAre("rests asked"));
}

TEST_F(UnitFollowerTest, AUnitThatFailedBeforeTheAgentCameIsAFailure) {
  follower.take(
      ended(runs("a1", 63, kSecond), "failed", "failed", "signal", CLD_DUMPED, 11, 2 * kSecond));
  EXPECT_THAT(take(), ElementsAre("failed signal (signal 11)", "rests"));
}

}  // namespace
}  // namespace serin::agent
