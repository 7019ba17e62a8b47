#include "agent/rollback/drill.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "agent/rollback/action.h"
#include "tests/support/rollback/dying.h"

namespace serin::helper {
namespace {

constexpr std::string_view kWholeStory =
    "accepted preflight switched restarted healthy verified back_switched back_restarted "
    "back_healthy back_verified drilled";

Command drill(const TestHost& host) {
  Command command = host.command();
  command.kind = CommandKind::drill;
  return command;
}

/// by_symlink() with another patience for health.
std::string within(const TestHost& host, const std::string& time) {
  auto text = host.by_symlink();
  return text.replace(text.find("10s"), 3, time);
}

TEST(Drill, GoesThereAndBackAndTimesBoth) {
  TestHost host;
  host.start("v2");
  const auto accepted = host.execute(drill(host));
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  EXPECT_EQ(accepted.task, HelperTask::drill);
  run(host);
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(status.task, HelperTask::drill);
  EXPECT_EQ(TestHost::steps(status), kWholeStory);
  EXPECT_TRUE(status.text.starts_with("there in ")) << status.text;
  EXPECT_NE(status.text.find(" s, back in "), std::string::npos) << status.text;
  EXPECT_EQ(host.selected(), "v2");
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(host.starts_of("v1"), 1);
  EXPECT_EQ(read_text(host.root() / "restarts"), "api v1\napi v2\n");
  const auto rehearsal = last_rehearsal(host.settings.state, "api");
  ASSERT_TRUE(rehearsal);
  EXPECT_GT(rehearsal->seconds, 0);
  EXPECT_LT(rehearsal->seconds, 15);
  EXPECT_EQ(rehearsal->wall_us, status.steps[status.steps.size() - 2].wall_us);
}

TEST(Drill, StoppedAtAnyMomentItComesBackAndNothingIsDoneTwice) {
  for (int n = 1;; ++n) {
    SCOPED_TRACE(testing::Message() << "stopped at moment " << n);
    TestHost host;
    host.start("v2");
    const auto command = drill(host);
    const bool died = die_at(host, command, n);
    const auto reply = host.execute(command);
    EXPECT_NE(reply.answer, HelperAnswer::refused) << reply.text;
    run(host);
    const auto status = host.status();
    EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
    EXPECT_EQ(TestHost::steps(status), kWholeStory);
    EXPECT_EQ(host.selected(), "v2");
    EXPECT_EQ(host.running(), "v2");
    EXPECT_EQ(host.starts_of("v1"), 1);
    EXPECT_EQ(host.starts_of("v2"), 2);
    EXPECT_TRUE(last_rehearsal(host.settings.state, "api"));
    if (testing::Test::HasFailure())
      std::fputs(read_text(host.settings.state / "done" / command.id).c_str(), stderr);
    ASSERT_FALSE(testing::Test::HasFailure());
    if (!died) {
      EXPECT_GT(n, 40) << "the moments are not announced any more";
      break;
    }
  }
}

TEST(Drill, AVersionThatIsSickThereIsLeftAgain) {
  TestHost host;
  host.start("v2");
  host.describe(within(host, "1s"));
  write_text(host.root() / "sick-v1", "");
  ASSERT_EQ(host.execute(drill(host)).answer, HelperAnswer::accepted);
  run(host);
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_EQ(TestHost::steps(status),
            "accepted preflight switched restarted back_switched back_restarted back_healthy "
            "back_verified failed");
  EXPECT_TRUE(status.text.starts_with("back on v2 in ")) << status.text;
  EXPECT_NE(status.text.find("answered 503"), std::string::npos) << status.text;
  EXPECT_EQ(host.selected(), "v2");
  EXPECT_EQ(host.running(), "v2");
  EXPECT_FALSE(last_rehearsal(host.settings.state, "api")) << "nothing was rehearsed";
}

TEST(Drill, AVersionThatDiesThereIsLeftAgain) {
  TestHost host;
  host.start("v2");
  host.describe(within(host, "1s"));
  write_text(host.root() / "dies-v1", "");
  ASSERT_EQ(host.execute(drill(host)).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_TRUE(host.status().text.starts_with("back on v2 in ")) << host.status().text;
  EXPECT_EQ(host.running(), "v2");
}

TEST(Drill, WhatChangedNothingNeedsNoWayBack) {
  TestHost host;
  host.start("v2");
  ASSERT_EQ(host.execute(drill(host)).answer, HelperAnswer::accepted);
  write_text(host.settings.hold / "hold", "hands off");
  run(host);
  EXPECT_EQ(TestHost::steps(host.status()), "accepted failed");
  EXPECT_NE(host.status().text.find("hands off"), std::string::npos) << host.status().text;
  EXPECT_EQ(read_text(host.root() / "restarts"), "");
}

TEST(Drill, AHoldPutDownOnTheWayDoesNotKeepTheHostOnTheOtherVersion) {
  TestHost host;
  host.start("v2");
  ASSERT_TRUE(die_after(host, drill(host), "after verified"));
  ASSERT_EQ(host.running(), "v1");
  write_text(host.settings.hold / "hold", "hands off");
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.running(), "v2");
}

TEST(Drill, ADeployInTheMiddleIsNotTakenBack) {
  TestHost host;
  host.start("v2");
  host.add_release("v3");
  ASSERT_TRUE(die_after(host, drill(host), "after verified"));
  host.start("v3");
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("v2 does not run again"), std::string::npos)
      << host.status().text;
  EXPECT_NE(host.status().text.find("somebody else changed it"), std::string::npos)
      << host.status().text;
  EXPECT_EQ(host.running(), "v3");
}

TEST(Drill, InterruptedTooOftenOnTheWayThereItStillComesBack) {
  TestHost host;
  host.start("v2");
  const auto command = drill(host);
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(die_after(host, command, i == 0 ? "after restarted" : "after run"));
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("interrupted too often"), std::string::npos)
      << host.status().text;
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(host.selected(), "v2");
}

TEST(Drill, ACommandGoesBothWays) {
  TestHost host;
  host.start("v2");
  host.describe(by_command(host));
  ASSERT_EQ(host.execute(drill(host)).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(TestHost::steps(host.status()), kWholeStory);
  EXPECT_EQ(read_text(host.root() / "runs"), "api v1\napi v2\n");
  EXPECT_EQ(host.running(), "v2");
}

TEST(Drill, TheReversedMarkerDoesNotHoldTheWayBackUp) {
  TestHost host;
  host.start("v2");
  write_text(host.root() / "releases" / "v1" / ".serin-irreversible", "");
  EXPECT_EQ(host.execute(drill(host)).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_EQ(host.running(), "v2");
}

class RefusedDrill : public testing::Test {
 protected:
  void SetUp() override { host.start("v2"); }
  void expect_refused(Refusal refusal, std::string_view why) {
    const auto reply = host.execute(drill(host));
    EXPECT_EQ(reply.answer, HelperAnswer::refused);
    EXPECT_EQ(name(reply.refusal), name(refusal));
    EXPECT_NE(reply.text.find(why), std::string::npos) << reply.text;
    EXPECT_TRUE(host.launcher.launched.empty());
  }
  TestHost host;
};

TEST_F(RefusedDrill, WhereNothingRuns) {
  host.stop();
  expect_refused(Refusal::not_running, "nothing runs");
}

TEST_F(RefusedDrill, WhereTheReleaseToComeBackToIsGone) {
  std::filesystem::remove_all(host.root() / "releases" / "v2");
  expect_refused(Refusal::target, "the way back: ");
}

TEST_F(RefusedDrill, OfAnIrreversibleRelease) {
  write_text(host.root() / "releases" / "v2" / ".serin-irreversible", "");
  expect_refused(Refusal::irreversible, "cannot be undone");
}

TEST_F(RefusedDrill, WhereSomebodyHoldsTheHost) {
  write_text(host.settings.hold / "hold", "hands off");
  expect_refused(Refusal::held, "hands off");
}

TEST_F(RefusedDrill, WhileARollbackIsAtWork) {
  ASSERT_EQ(host.execute(host.command("v2", "v1", 5)).answer, HelperAnswer::accepted);
  const auto reply = host.execute(drill(host));
  EXPECT_EQ(name(reply.refusal), "busy");
}

}  // namespace
}  // namespace serin::helper
