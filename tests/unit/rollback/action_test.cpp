#include "agent/rollback/action.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <utility>

#include "tests/support/rollback/dying.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {
namespace {

constexpr std::string_view kWholeStory = "accepted preflight switched restarted healthy verified";

TEST(Action, PutsTheTargetBackAndVerifiesIt) {
  TestHost host;
  host.start("v2");
  const auto accepted = host.execute(host.command());
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  EXPECT_EQ(host.launcher.launched, std::vector<std::string>{"api"});
  EXPECT_EQ(host.running(), "v2") << "nothing is done before the action runs";
  EXPECT_EQ(host.status().answer, HelperAnswer::in_progress);

  run(host);
  EXPECT_EQ(host.selected(), "v1");
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(host.starts_of("v1"), 1);
  EXPECT_EQ(read_text(host.root() / "restarts"), "api v1\n");
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(TestHost::steps(status), kWholeStory);
  EXPECT_EQ(status.target, "v1");
  EXPECT_FALSE(std::filesystem::exists(host.settings.state / "pending" / "api"));
}

TEST(Action, ARepeatedCommandAnswersTheRecordedOutcomeAndDoesNothing) {
  TestHost host;
  host.start("v2");
  const auto command = host.command();
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  run(host);
  host.start("v2");  // somebody deploys it once more
  auto again = command;
  again.revision = 7;
  const auto reply = host.execute(again);
  EXPECT_EQ(reply.answer, HelperAnswer::done);
  EXPECT_EQ(TestHost::steps(reply), kWholeStory);
  run(host);
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(host.launcher.launched.size(), 1U);
}

TEST(Action, StoppedAtAnyMomentItIsFinishedByTheNextProcessAndNothingIsDoneTwice) {
  for (int n = 1;; ++n) {
    SCOPED_TRACE(testing::Message() << "stopped at moment " << n);
    TestHost host;
    host.start("v2");
    const auto command = host.command();
    const bool died = die_at(host, command, n);
    // The aggregator hears nothing and sends the command again; then the action is continued.
    const auto reply = host.execute(command);
    EXPECT_NE(reply.answer, HelperAnswer::refused) << reply.text;
    run(host);
    const auto status = host.status();
    EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
    EXPECT_EQ(TestHost::steps(status), kWholeStory);
    EXPECT_EQ(host.selected(), "v1");
    EXPECT_EQ(host.running(), "v1");
    EXPECT_EQ(host.starts_of("v1"), 1);
    for (const auto& entry : std::filesystem::directory_iterator(host.root())) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".serin-")) << entry.path();
    }
    if (testing::Test::HasFailure())
      std::fputs(read_text(host.settings.state / "done" / command.id).c_str(), stderr);
    ASSERT_FALSE(testing::Test::HasFailure());
    if (!died) {
      EXPECT_GT(n, 20) << "the moments are not announced any more";
      break;
    }
  }
}

TEST(Action, AReleaseThatStaysSickFailsWithTheReason) {
  TestHost host;
  host.start("v2");
  host.describe(std::string(host.by_symlink()).replace(host.by_symlink().find("10s"), 3, "1s"));
  write_text(host.root() / "sick-v1", "");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_EQ(TestHost::steps(status), "accepted preflight switched restarted failed");
  EXPECT_NE(status.text.find("answered 503"), std::string::npos) << status.text;
}

TEST(Action, ARestartThatReturnsIsNotTakenForARunningService) {
  TestHost host;
  host.start("v2");
  host.describe(std::string(host.by_symlink()).replace(host.by_symlink().find("10s"), 3, "1s"));
  write_text(host.root() / "dies-v1", "");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_EQ(host.starts_of("v1"), 1);
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("nothing runs"), std::string::npos) << host.status().text;
}

TEST(Action, AHangingRestartIsKilledAndTheNextActionIsTried) {
  TestHost host;
  host.start("v2");
  const auto hang = host.root() / "hang.sh";
  write_text(hang, "#!/bin/sh\nsleep 1000\n", 0755);
  const auto first = "[[rollback]]\naction = \"release_symlink\"\nreleases = \"" +
                     host.root().native() + "/releases\"\nrestart = { command = [\"" +
                     hang.native() + "\"] }\ntimeout = \"1s\"\nhealthy = { within = \"1s\" }\n\n";
  host.describe(first + host.by_symlink());
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(TestHost::steps(status),
            "accepted preflight switched preflight switched restarted healthy verified");
  EXPECT_NE(status.steps[3].reason.find("was killed"), std::string::npos) << status.steps[3].reason;
}

TEST(Action, WhatChangedBetweenAcceptedAndTheFirstActIsLookedAtAgain) {
  TestHost host;
  host.start("v2");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  write_text(host.settings.hold / "hold", "hands off");
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("hands off"), std::string::npos) << host.status().text;
  EXPECT_EQ(host.selected(), "v2");
  EXPECT_EQ(host.running(), "v2");
}

TEST(Action, ARefusalOfTheCommandIsNotPassedOverByTheSecondAction) {
  const auto refused_with = [](const std::function<void(TestHost&, Command&)>& change,
                               std::string_view words) {
    TestHost host;
    host.start("v2");
    host.describe(host.by_symlink() + "\n" + by_command(host));
    auto command = host.command();
    ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
    change(host, command);
    run(host);
    const auto status = host.status();
    EXPECT_EQ(status.answer, HelperAnswer::failed);
    EXPECT_EQ(TestHost::steps(status), "accepted failed");
    EXPECT_NE(status.text.find(words), std::string::npos) << status.text;
    EXPECT_EQ(read_text(host.root() / "runs"), "") << "the second action ran";
    EXPECT_EQ(read_text(host.root() / "restarts"), "");
  };
  refused_with(
      [](TestHost& host, Command&) { write_text(host.settings.hold / "hold", "hands off"); },
      "hands off");
  refused_with([](TestHost& host, Command&) { host.select("v3"); }, "somebody is changing it");
  refused_with([](TestHost& host,
                  Command&) { write_text(host.root() / "releases/v2/.serin-irreversible", ""); },
               "cannot be undone");
}

TEST(Action, AnExpiredCommandIsNotPassedOverByTheSecondAction) {
  TestHost host;
  host.start("v2");
  host.describe(host.by_symlink() + "\n" + by_command(host));
  auto command = host.command();
  command.not_after_us = host.clock.wall_us() + kSecondUs;
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  ASSERT_TRUE(eventually([&] { return host.clock.wall_us() > command.not_after_us; }));
  run(host);
  EXPECT_EQ(TestHost::steps(host.status()), "accepted failed");
  EXPECT_NE(host.status().text.find("its deadline passed"), std::string::npos)
      << host.status().text;
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(read_text(host.root() / "runs"), "");
}

TEST(Action, AHoldPutDownWhileTheFirstActionFailedKeepsTheSecondFromBeginning) {
  TestHost host;
  host.start("v2");
  write_text(host.root() / "dies-v1", "");
  auto first = host.by_symlink();
  first.replace(first.find("10s"), 3, "1s");
  host.describe(first + "\n" + by_command(host));
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  ChangingAt observer("after gave_up",
                      [&] { write_text(host.settings.hold / "hold", "hands off"); });
  ASSERT_TRUE(run_action("api", host.settings, host.clock, observer));
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("hands off"), std::string::npos) << host.status().text;
  EXPECT_EQ(read_text(host.root() / "runs"), "") << "the second action ran";
}

TEST(Action, AHoldPutDownAfterTheSwitchDoesNotLeaveTheHostHalfWay) {
  TestHost host;
  host.start("v2");
  const auto command = host.command();
  ASSERT_TRUE(die_after(host, command, "after switched"));
  write_text(host.settings.hold / "hold", "hands off");
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.running(), "v1");
}

TEST(Action, ARestartCommandSwappedAfterThePreflightIsNotRun) {
  TestHost host;
  host.start("v2");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  ChangingAt observer("after switched", [&] {
    std::filesystem::permissions(host.restart_script(), std::filesystem::perms::others_write,
                                 std::filesystem::perm_options::add);
  });
  ASSERT_TRUE(run_action("api", host.settings, host.clock, observer));
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("writable by others"), std::string::npos) << host.status().text;
  EXPECT_EQ(read_text(host.root() / "restarts"), "");
}

TEST(Action, ACommandSwappedAfterThePreflightIsNotRun) {
  TestHost host;
  host.start("v2");
  host.describe(by_command(host));
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  ChangingAt observer("after preflight", [&] {
    std::filesystem::permissions(host.root() / "back.sh", std::filesystem::perms::group_write,
                                 std::filesystem::perm_options::add);
  });
  ASSERT_TRUE(run_action("api", host.settings, host.clock, observer));
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("writable by its group"), std::string::npos)
      << host.status().text;
  EXPECT_EQ(read_text(host.root() / "runs"), "");
}

TEST(Action, ADeployThatMovesTheLinkRightBeforeTheSwitchIsNotTakenBack) {
  TestHost host;
  host.start("v2");
  host.add_release("v3");
  host.describe(host.by_symlink() + "\n" + by_command(host));
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  ChangingAt observer("after will_switch", [&] { host.select("v3"); });
  ASSERT_TRUE(run_action("api", host.settings, host.clock, observer));
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("somebody else changed it"), std::string::npos)
      << host.status().text;
  EXPECT_EQ(host.selected(), "v3");
  EXPECT_EQ(read_text(host.root() / "runs"), "") << "nor may the second action do it";
}

TEST(Action, ACrashLoopIsPutBackThoughNothingRuns) {
  TestHost host;
  host.start("v2");
  host.stop();
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.running(), "v1");
}

TEST(Action, OneThatDiesAgainAndAgainIsGivenUp) {
  TestHost host;
  host.start("v2");
  const auto command = host.command();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(die_after(host, command, "after run"));
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("interrupted 5 times"), std::string::npos);
  EXPECT_EQ(host.running(), "v2");
}

TEST(Action, ACommandPutsTheTargetBack) {
  TestHost host;
  host.start("v2");
  host.describe(by_command(host));
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(TestHost::steps(host.status()), kWholeStory);
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(read_text(host.root() / "runs"), "api v1\n");
}

TEST(Action, ACommandStoppedAtAnyMomentIsNeverRunTwice) {
  for (int n = 1;; ++n) {
    SCOPED_TRACE(testing::Message() << "stopped at moment " << n);
    TestHost host;
    host.start("v2");
    host.describe(by_command(host));
    const auto command = host.command();
    const bool died = die_at(host, command, n);
    EXPECT_NE(host.execute(command).answer, HelperAnswer::refused);
    run(host);
    const auto status = host.status();
    const bool done = status.answer == HelperAnswer::done;
    const bool reported = status.answer == HelperAnswer::failed &&
                          status.text.find("it is not repeated") != std::string::npos;
    EXPECT_TRUE(done || reported) << status.text;
    if (done) {
      EXPECT_EQ(host.running(), "v1");
      EXPECT_EQ(read_text(host.root() / "runs"), "api v1\n");
    } else {
      EXPECT_EQ(read_text(host.root() / "runs"), "")
          << "known not to have begun, or noted as begun";
    }
    ASSERT_FALSE(testing::Test::HasFailure());
    if (!died) break;
  }
}

TEST(Action, ASignalRestartsWhatASupervisorStartsAgain) {
  TestHost host;
  host.start("v2");
  // The supervisor: starts whatever is selected whenever the process is gone.
  const pid_t supervisor = ::fork();
  if (supervisor == 0) {
    while (true) {
      if (host.running().empty()) static_cast<void>(!std::system(host.restart_script().c_str()));
      ::usleep(50'000);
    }
  }
  auto rollback = host.by_symlink();
  const auto at = rollback.find("restart = ");
  rollback.replace(at, rollback.find('\n', at) - at, "restart = { signal = \"TERM\" }");
  host.describe(rollback);
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  ::kill(supervisor, SIGKILL);
  ::waitpid(supervisor, nullptr, 0);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.running(), "v1");
}

/// Stands for systemctl: one unit, which is the test host's process.
std::filesystem::path fake_systemctl(const TestHost& host) {
  const auto script = host.root() / "systemctl";
  write_text(script, "#!/bin/sh\nroot=" + host.root().native() + R"(
echo "$*" >> $root/calls
case "$*" in
  *"LoadState -- api.service") echo LoadState=loaded ;;
  *"LoadState -- "*) echo LoadState=not-found ;;
  "show --property=Id,MainPID,InvocationID -- api.service")
    echo Id=api.service
    echo MainPID=$(cat $root/pid); echo InvocationID=$(sha1sum $root/starts | cut -c1-32) ;;
  "reset-failed -- api.service") exit 1 ;;
  "restart -- api.service") exec $root/restart.sh ;;
  *) exit 9 ;;
esac
)",
             0755);
  return script;
}

TEST(Action, AUnitIsRestartedAfterItsFailuresAreForgotten) {
  TestHost host;
  host.start("v2");
  host.settings.systemctl = fake_systemctl(host);
  auto rollback = host.by_symlink();
  const auto at = rollback.find("restart = ");
  rollback.replace(at, rollback.find('\n', at) - at, "restart = \"api.service\"");
  write_text(host.settings.services / "api.toml",
             "unit = \"api.service\"\nversion = { symlink = \"" + host.root().native() +
                 "/current\" }\n" + rollback);
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.running(), "v1");
  const auto calls = read_text(host.root() / "calls");
  const auto reset = calls.find("reset-failed -- api.service");
  EXPECT_LT(reset, calls.find("restart -- api.service")) << calls;
}

TEST(Action, AUnitThatIsNotLoadedIsRefused) {
  TestHost host;
  host.start("v2");
  host.settings.systemctl = fake_systemctl(host);
  auto rollback = host.by_symlink();
  const auto at = rollback.find("restart = ");
  rollback.replace(at, rollback.find('\n', at) - at, "restart = \"absent.service\"");
  host.describe(rollback);
  const auto reply = host.execute(host.command());
  EXPECT_EQ(reply.refusal, Refusal::action);
  EXPECT_NE(reply.text.find("not-found"), std::string::npos) << reply.text;
}

}  // namespace
}  // namespace serin::helper
