#include <gtest/gtest.h>

#include <filesystem>

#include "agent/rollback/action.h"
#include "agent/rollback/standing.h"
#include "tests/support/rollback/dying.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

class OrdersTest : public testing::Test {
 protected:
  void SetUp() override { host.start("v2"); }

  Command order(CommandKind kind, int ordinal) {
    Command command = host.command("", "", ordinal);
    command.kind = kind;
    return command;
  }
  HelperReply confirm(const std::string& version, int64_t later_us = 0) {
    Command command = order(CommandKind::confirm, 100);
    command.target = version;
    command.issued_us += later_us;
    return host.execute(command);
  }
  HelperReply cancel(const Command& other) {
    Command command = order(CommandKind::cancel, 200);
    command.supersedes = other.id;
    return host.execute(command);
  }
  std::string confirmed() { return host.status().confirmed; }

  TestHost host;
};

using ConfirmTest = OrdersTest;
using CancelTest = OrdersTest;

TEST_F(ConfirmTest, TheLastConfirmedVersionIsKept) {
  EXPECT_EQ(confirmed(), "");
  EXPECT_EQ(confirm("v1").answer, HelperAnswer::done);
  EXPECT_EQ(confirmed(), "v1");
  EXPECT_EQ(confirm("v2").answer, HelperAnswer::done);
  EXPECT_EQ(confirmed(), "v2");
  EXPECT_TRUE(host.launcher.launched.empty()) << "nothing is done";
  const Standing standing(host.settings, "api");
  EXPECT_TRUE(standing.is_confirmed("v1"));
  EXPECT_FALSE(standing.is_confirmed("v3"));
}

TEST_F(ConfirmTest, ARepeatAnswersTheSame) {
  Command command = order(CommandKind::confirm, 1);
  command.target = "v2";
  EXPECT_EQ(host.execute(command).answer, HelperAnswer::done);
  const auto before = read_text(host.settings.state / "confirmed" / "api");
  EXPECT_EQ(host.execute(command).answer, HelperAnswer::done);
  EXPECT_EQ(read_text(host.settings.state / "confirmed" / "api"), before);
}

TEST_F(ConfirmTest, AVersionThatIsRolledBackIsNotConfirmedAnyMore) {
  ASSERT_EQ(confirm("v1").answer, HelperAnswer::done);
  ASSERT_EQ(confirm("v2").answer, HelperAnswer::done);
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  EXPECT_EQ(confirmed(), "v1");
}

TEST_F(ConfirmTest, AConfirmFromBeforeTheRollbackCannotBeReplayed) {
  Command old = order(CommandKind::confirm, 1);
  old.target = "v2";
  old.issued_us -= 2 * kSecondUs;
  ASSERT_EQ(host.execute(old).answer, HelperAnswer::done);
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  const auto again = host.execute(old);
  EXPECT_EQ(name(again.refusal), "expired") << again.text;
  run(host);
  EXPECT_EQ(confirmed(), "");
  EXPECT_EQ(confirm("v2", 5 * kSecondUs).answer, HelperAnswer::done) << "a later word counts";
}

TEST_F(ConfirmTest, ALateOneIsRefused) {
  Command command = order(CommandKind::confirm, 1);
  command.target = "v2";
  command.not_after_us = host.clock.wall_us() - kSecondUs;
  EXPECT_EQ(name(host.execute(command).refusal), "expired");
  EXPECT_EQ(confirmed(), "");
}

TEST_F(ConfirmTest, NamesWithSpacesAndRubbishInTheFileAreReadAsWritten) {
  ASSERT_EQ(confirm("release 1 condemned 2").answer, HelperAnswer::done);
  const auto file = host.settings.state / "confirmed" / "api";
  write_text(file, read_text(file) + "x\n-5 confirmed v9\n7 praised v8\n7 confirmed \n", 0600);
  const Standing standing(host.settings, "api");
  ASSERT_EQ(standing.words().size(), 1U);
  EXPECT_EQ(standing.confirmed(), "release 1 condemned 2");
}

TEST_F(ConfirmTest, OnlySoManyVersionsAreRemembered) {
  for (int i = 0; i < 40; ++i)
    ASSERT_EQ(confirm("v" + std::to_string(i), i).answer, HelperAnswer::done);
  const Standing standing(host.settings, "api");
  EXPECT_EQ(standing.words().size(), 32U);
  EXPECT_EQ(standing.confirmed(), "v39");
}

TEST_F(CancelTest, WhatHasChangedNothingIsDropped) {
  const auto command = host.command();
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  const auto reply = cancel(command);
  EXPECT_EQ(reply.answer, HelperAnswer::failed);
  EXPECT_EQ(reply.command, command.id) << "its journal, not that of the cancel";
  EXPECT_EQ(TestHost::steps(reply), "accepted cancelled");
  run(host);
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(read_text(host.root() / "restarts"), "");
  EXPECT_FALSE(fs::exists(host.settings.state / "pending" / "api"));
  const auto again = host.execute(command);
  EXPECT_EQ(TestHost::steps(again), "accepted cancelled")
      << "a command id is executed once or never";
  EXPECT_EQ(host.execute(host.command("v2", "v1", 3)).answer, HelperAnswer::accepted);
}

TEST_F(CancelTest, StoppedBeforeItsFirstActItIsStillDropped) {
  const auto command = host.command();
  ASSERT_TRUE(die_after(host, command, "after preflight"));
  EXPECT_EQ(TestHost::steps(cancel(command)), "accepted preflight cancelled");
  run(host);
  EXPECT_EQ(host.running(), "v2");
}

TEST_F(CancelTest, WhatHasChangedSomethingIsCarriedToItsEnd) {
  for (const char* moment : {"after will_switch", "link switched", "after switched"}) {
    SCOPED_TRACE(moment);
    TestHost other;
    other.start("v2");
    const auto command = other.command();
    ASSERT_TRUE(die_after(other, command, moment));
    Command cancel = other.command("", "", 7);
    cancel.kind = CommandKind::cancel;
    cancel.supersedes = command.id;
    const auto reply = other.execute(cancel);
    EXPECT_EQ(name(reply.refusal), "busy") << reply.text;
    EXPECT_EQ(reply.command, cancel.id);
    run(other);
    EXPECT_EQ(other.running(), "v1");
  }
}

TEST_F(CancelTest, WhatAnActionHoldsIsBusy) {
  const auto command = host.command();
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  StepObserver observer;
  const auto held = Journal::take(JournalFolder(host.settings.state), "api", host.clock, observer);
  ASSERT_TRUE(held && *held);
  EXPECT_EQ(name(cancel(command).refusal), "busy");
}

TEST_F(CancelTest, WhatHasEndedAnswersItsOutcome) {
  const auto command = host.command();
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  run(host);
  const auto reply = cancel(command);
  EXPECT_EQ(reply.answer, HelperAnswer::done);
  EXPECT_EQ(reply.command, command.id);
}

TEST_F(CancelTest, WhatComesAfterItsCancelIsNotCarriedOut) {
  const auto command = host.command();
  EXPECT_EQ(TestHost::steps(cancel(command)), "cancelled");
  const auto late = host.execute(command);
  EXPECT_EQ(TestHost::steps(late), "cancelled");
  EXPECT_TRUE(host.launcher.launched.empty());
  run(host);
  EXPECT_EQ(host.running(), "v2");
}

TEST_F(CancelTest, AnotherCommandsWorkIsLeftAlone) {
  const auto command = host.command();
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  EXPECT_EQ(name(cancel(host.command("v2", "v1", 9)).refusal), "busy");
  run(host);
  EXPECT_EQ(host.running(), "v1");
}

TEST_F(CancelTest, ADrillThatHasNotLeftIsDropped) {
  auto command = host.command();
  command.kind = CommandKind::drill;
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  EXPECT_EQ(TestHost::steps(cancel(command)), "accepted cancelled");
  run(host);
  EXPECT_EQ(host.starts_of("v1"), 0);
}

TEST_F(OrdersTest, NeedASignatureAndTheirHost) {
  for (const auto kind : {CommandKind::confirm, CommandKind::cancel}) {
    Command command = order(kind, 1);
    command.target = "v2";
    command.supersedes = command.id;
    command.host = "web-08";
    EXPECT_EQ(name(host.execute(command).refusal), "host");
  }
  EXPECT_EQ(confirmed(), "");
}

}  // namespace
}  // namespace serin::helper
