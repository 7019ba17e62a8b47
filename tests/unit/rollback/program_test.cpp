#include "agent/rollback/program.h"

#include "common/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/common/temporary_folder.h"

namespace serin::helper {
namespace {

class ProgramTest : public testing::Test {
 protected:
  ProgramRun shell(const std::string& script, int64_t within_us = 10 * kSecondUs) {
    return {.argv = {"/bin/sh", "-c", script},
            .environment = {"SERIN_TARGET=v 1"},
            .deadline_boot_us = clock.boot_us() + within_us,
            .before_start = {}};
  }
  SystemClock clock;
};

TEST_F(ProgramTest, HasAnEmptyEnvironmentButForPathAndWhatIsGiven) {
  ::setenv("SERIN_SECRET", "x", 1);
  const auto printed = ask_program({.argv = {"/usr/bin/env"},
                                    .environment = {"SERIN_TARGET=v 1"},
                                    .deadline_boot_us = clock.boot_us() + 10 * kSecondUs,
                                    .before_start = {}},
                                   clock);
  ASSERT_TRUE(printed.has_value()) << printed.error().message;
  EXPECT_EQ(
      *printed,
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSERIN_TARGET=v 1\n");
}

TEST_F(ProgramTest, SaysHowItEnded) {
  EXPECT_TRUE(run_program(shell("exit 0"), clock).has_value());
  EXPECT_NE(run_program(shell("exit 3"), clock).error().message.find("exit status 3"),
            std::string::npos);
  EXPECT_NE(run_program(shell("kill -9 $$"), clock).error().message.find("signal 9"),
            std::string::npos);
  auto absent = shell("");
  absent.argv = {"/nowhere/at/all"};
  EXPECT_NE(run_program(absent, clock).error().message.find("cannot be executed"),
            std::string::npos);
}

TEST_F(ProgramTest, OneThatHangsIsKilledWithWhatItStarted) {
  const TemporaryFolder folder;
  const auto script = "trap '' TERM; sleep 1000 & echo $! > " + (folder.path() / "pid").native() +
                      "; wait; wait; sleep 1000";
  const int64_t began = clock.boot_us();
  const auto outcome = run_program(shell(script, kSecondUs / 5), clock);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_NE(outcome.error().message.find("was killed"), std::string::npos);
  EXPECT_LT(clock.boot_us() - began, 8 * kSecondUs);
  const auto pid = std::atoi(read_file(folder.path() / "pid", 100).value_or("0").c_str());
  ASSERT_GT(pid, 1);
  while (read_process("/proc", pid)) ASSERT_LT(clock.boot_us() - began, 10 * kSecondUs);
}

TEST_F(ProgramTest, DoesNotBeginWhenItCannotBeNoted) {
  const TemporaryFolder folder;
  auto run = shell("touch " + (folder.path() / "begun").native());
  run.before_start = [](const Process&) { return fail("no room"); };
  EXPECT_EQ(run_program(run, clock).error().message, "no room");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "begun"));
}

TEST_F(ProgramTest, HoldsNothingOpenThatIsOurs) {
  const TemporaryFolder folder;
  const UniqueFd leaked(::dup(STDERR_FILENO));  // without close-on-exec
  const auto printed = ask_program({.argv = {"/bin/sh", "-c", "ls /proc/self/fd | wc -l"},
                                    .environment = {},
                                    .deadline_boot_us = clock.boot_us() + 10 * kSecondUs,
                                    .before_start = {}},
                                   clock);
  EXPECT_EQ(*printed, "4\n") << "standard input, output, error, and the folder that ls reads";
}

}  // namespace
}  // namespace serin::helper
