#include "agent/rollback/dead_man.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "agent/rollback/action.h"
#include "schema/wire.h"
#include "tests/support/rollback/dying.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

/// Waits for seconds pass at once, and it can be put ahead.
class SkippingClock final : public Clock {
 public:
  [[nodiscard]] int64_t wall_us() const override { return system_.wall_us() + ahead_us_; }
  [[nodiscard]] int64_t boot_us() const override { return system_.boot_us() + ahead_us_; }
  void pause_us(int64_t duration_us) const override {
    if (duration_us < kSecondUs) return system_.pause_us(duration_us);
    ahead_us_ += duration_us;
    ++long_pauses;
  }
  void skip(int64_t duration_us) { ahead_us_ += duration_us; }
  mutable int long_pauses = 0;

 private:
  SystemClock system_;
  mutable int64_t ahead_us_ = 0;
};

/// v1 is confirmed, v2 runs since half a minute and is sick.
class DeadManTest : public testing::Test {
 protected:
  void SetUp() override {
    describe("10m");
    host.start("v2");
    confirm("v1");
    write_text(host.root() / "sick-v2", "");
    clock.skip(30 * kSecondUs);
  }
  void describe(const std::string& within) {
    host.describe(host.by_symlink() + "\n[dead_man]\nwithin = \"" + within + "\"\n");
  }
  HelperReply ask(const HelperRequest& request) {
    Helper helper(host.settings, clock, host.launcher, observer);
    SERIN_VERIFY(JournalFolder(host.settings.state).prepare().has_value());
    const Bytes packet = wire::encode(request);
    return helper.answer(packet, packet.size());
  }
  HelperReply hint() {
    return ask({.verb = HelperVerb::dead_man, .service = "api", .command = {}});
  }
  HelperReply status() {
    return ask({.verb = HelperVerb::status, .service = "api", .command = {}});
  }
  void confirm(const std::string& version, int ordinal = 100) {
    Command command = host.command("", version, ordinal);
    command.kind = CommandKind::confirm;
    command.not_after_us += 3600 * kSecondUs;
    const auto reply =
        ask({.verb = HelperVerb::execute, .service = {}, .command = host.sign(command)});
    ASSERT_EQ(reply.answer, HelperAnswer::done) << reply.text;
  }
  void act(StepObserver& watching) {
    const auto done = run_action("api", host.settings, clock, watching);
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }
  void act() { act(observer); }

  void expect_refused(Refusal refusal, std::string_view why) {
    const auto reply = hint();
    EXPECT_EQ(reply.answer, HelperAnswer::refused);
    EXPECT_EQ(name(reply.refusal), name(refusal)) << reply.text;
    EXPECT_NE(reply.text.find(why), std::string::npos) << reply.text;
    EXPECT_TRUE(host.launcher.launched.empty());
    EXPECT_FALSE(fs::exists(host.settings.state / "pending" / "api"));
  }
  void expect_dropped() {
    EXPECT_EQ(read_text(host.root() / "restarts"), "");
    EXPECT_FALSE(fs::exists(host.settings.state / "pending" / "api"));
    EXPECT_TRUE(fs::is_empty(host.settings.state / "done")) << "nothing to tell";
    EXPECT_EQ(TestHost::steps(status()), "");
  }

  TestHost host;
  SkippingClock clock;
  StepObserver observer;
};

TEST_F(DeadManTest, ASickNewVersionGoesBackToTheConfirmedOne) {
  const auto accepted = hint();
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  EXPECT_EQ(accepted.task, HelperTask::dead_man);
  EXPECT_EQ(accepted.condemned, "v2");
  EXPECT_EQ(accepted.target, "v1");
  EXPECT_EQ(status().answer, HelperAnswer::in_progress);
  EXPECT_EQ(TestHost::steps(status()), "") << "a suspicion is no step yet";
  act();
  EXPECT_EQ(clock.long_pauses, 4) << "five looks";
  const auto done = status();
  EXPECT_EQ(done.answer, HelperAnswer::done) << done.text;
  EXPECT_EQ(done.task, HelperTask::dead_man);
  EXPECT_EQ(TestHost::steps(done), "accepted preflight switched restarted healthy verified");
  EXPECT_NE(done.steps.front().reason.find("failed five times in a row"), std::string::npos)
      << done.steps.front().reason;
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(host.starts_of("v1"), 1);
}

TEST_F(DeadManTest, IsRefusedWhereRootsFileSaysNothingOfIt) {
  host.describe(host.by_symlink());
  expect_refused(Refusal::action, "holds no [dead_man]");
}

TEST_F(DeadManTest, IsRefusedWhereTheFileIsNotRoots) {
  fs::permissions(host.settings.services / "api.toml", fs::perms::others_write,
                  fs::perm_options::add);
  expect_refused(Refusal::not_owned, "others");
}

TEST_F(DeadManTest, IsRefusedWhereSomebodyHolds) {
  write_text(host.settings.hold / "hold", "hands off");
  expect_refused(Refusal::held, "hands off");
}

TEST_F(DeadManTest, IsRefusedForAConfirmedVersion) {
  confirm("v2");
  expect_refused(Refusal::target, "v2 was confirmed");
}

TEST_F(DeadManTest, IsRefusedForAnOldVersion) {
  clock.skip(700 * kSecondUs);
  expect_refused(Refusal::expired, "acts within 600 s");
}

TEST_F(DeadManTest, IsRefusedWhileTheVersionMayStillBeStarting) {
  TestHost fresh;
  fresh.describe(fresh.by_symlink() + "\n[dead_man]\nwithin = \"10m\"\n");
  fresh.start("v2");
  const auto service = check_service("api", fresh.settings);
  ASSERT_TRUE(service);
  const auto young = check_dead_man(*service, fresh.settings, fresh.clock);
  ASSERT_FALSE(young);
  EXPECT_NE(young.error().text.find("has 10 s to become healthy"), std::string::npos)
      << young.error().text;
}

TEST_F(DeadManTest, IsRefusedWithoutAConfirmedVersionToGoBackTo) {
  fs::remove(host.settings.state / "confirmed" / "api");
  expect_refused(Refusal::target, "no version was confirmed");
}

TEST_F(DeadManTest, IsRefusedWhereTheConfirmedVersionIsGone) {
  fs::remove_all(host.root() / "releases" / "v1");
  expect_refused(Refusal::target, "v1");
}

TEST_F(DeadManTest, OfSeveralConfirmedVersionsTheLastThatIsThereIsTaken) {
  host.add_release("v0");
  confirm("v0", 1);
  confirm("v9", 2);
  const auto reply = hint();
  ASSERT_EQ(reply.answer, HelperAnswer::accepted) << reply.text;
  EXPECT_EQ(reply.target, "v0");
}

TEST_F(DeadManTest, IsRefusedForAnIrreversibleRelease) {
  write_text(host.root() / "releases" / "v2" / ".serin-irreversible", "");
  expect_refused(Refusal::irreversible, "cannot be undone");
}

TEST_F(DeadManTest, IsRefusedWhileACommandIsCarriedOut) {
  Command command = host.command();
  command.not_after_us += 3600 * kSecondUs;
  ASSERT_EQ(ask({.verb = HelperVerb::execute, .service = {}, .command = host.sign(command)}).answer,
            HelperAnswer::accepted);
  EXPECT_EQ(name(hint().refusal), "busy");
}

TEST_F(DeadManTest, ActsOnceForAVersion) {
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  act();
  ASSERT_EQ(host.running(), "v1");
  fs::remove(host.root() / "sick-v2");
  host.start("v2");
  clock.skip(30 * kSecondUs);
  host.launcher.launched.clear();
  expect_refused(Refusal::target, "has acted on v2 before");
}

TEST_F(DeadManTest, DoesNotMoveTheVersionItWentBackTo) {
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  act();
  write_text(host.root() / "sick-v1", "");
  clock.skip(30 * kSecondUs);
  host.launcher.launched.clear();
  expect_refused(Refusal::target, "v1 was confirmed");
}

TEST_F(DeadManTest, AServiceThatIsWellIsLeftAloneAndNothingIsTold) {
  fs::remove(host.root() / "sick-v2");
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  act();
  expect_dropped();
  EXPECT_EQ(hint().answer, HelperAnswer::accepted) << "and it may be suspected again";
}

TEST_F(DeadManTest, OneGoodAnswerAmongTheFiveIsEnough) {
  /// Gets well at the third look.
  class Recovering final : public Clock {
   public:
    explicit Recovering(const SkippingClock& clock, const TestHost& host)
        : clock_(clock), host_(host) {}
    [[nodiscard]] int64_t wall_us() const override { return clock_.wall_us(); }
    [[nodiscard]] int64_t boot_us() const override { return clock_.boot_us(); }
    void pause_us(int64_t duration_us) const override {
      clock_.pause_us(duration_us);
      if (clock_.long_pauses == 2) fs::remove(host_.root() / "sick-v2");
    }

   private:
    const SkippingClock& clock_;
    const TestHost& host_;
  };
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  const Recovering recovering(clock, host);
  ASSERT_TRUE(run_action("api", host.settings, recovering, observer));
  EXPECT_EQ(clock.long_pauses, 2);
  expect_dropped();
}

TEST_F(DeadManTest, AConfirmThatComesWhileItLooksDisarmsIt) {
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  ChangingAt confirming("after run", [this] { confirm("v2"); });
  act(confirming);
  expect_dropped();
}

TEST_F(DeadManTest, AnOldSuspicionIsDroppedAfterABoot) {
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  clock.skip(60 * kSecondUs);
  act();
  expect_dropped();
}

TEST_F(DeadManTest, ASuspicionThatWasInterruptedIsDropped) {
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  {
    auto taken = Journal::take(JournalFolder(host.settings.state), "api", clock, observer);
    ASSERT_TRUE(taken && *taken);
    ASSERT_TRUE((*taken)->append("run", "1").has_value());
  }
  act();
  expect_dropped();
}

TEST_F(DeadManTest, OnceTakenUpItIsCarriedThroughAnyInterruption) {
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  {
    auto taken = Journal::take(JournalFolder(host.settings.state), "api", clock, observer);
    ASSERT_TRUE(taken && *taken);
    ASSERT_TRUE((*taken)->append("run", "1").has_value());
    ASSERT_TRUE((*taken)->append("accepted", "dead-man: it fails").has_value());
  }
  clock.skip(60 * kSecondUs);
  act();
  EXPECT_EQ(status().answer, HelperAnswer::done) << status().text;
  EXPECT_EQ(host.running(), "v1");
}

TEST_F(DeadManTest, WithoutAHealthUrlAMissingProcessCounts) {
  auto text = host.by_symlink();
  const auto at = text.find("healthy = ");
  text.erase(at, text.find('\n', at) - at);
  host.describe(text + "\n[dead_man]\nwithin = \"10m\"\n");
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  act();
  expect_dropped();
  host.stop();
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  act();
  EXPECT_EQ(host.running(), "v1");
}

/// The unit's state is what stands in the file `unit`.
class DeadManOfAUnit : public DeadManTest {
 protected:
  void SetUp() override {
    DeadManTest::SetUp();
    host.settings.systemctl = host.root() / "systemctl";
    write_text(host.settings.systemctl, "#!/bin/sh\nroot=" + host.root().native() + R"sh(
case "$*" in
  "show --property=ActiveState -- api.service") echo ActiveState=$(cat $root/unit) ;;
  "show --property=Id,MainPID,InvocationID -- api.service")
    echo Id=api.service
    if grep -q ^active $root/unit; then echo MainPID=$(cat $root/pid); else echo MainPID=0; fi
    echo InvocationID=$(sha1sum $root/starts | cut -c1-32) ;;
  *LoadState*) echo LoadState=loaded ;;
  "restart -- api.service") echo active > $root/unit; exec $root/restart.sh ;;
esac
)sh",
               0755);
    auto rollback = host.by_symlink();
    const auto at = rollback.find("restart = ");
    rollback.replace(at, rollback.find('\n', at) - at, "restart = \"api.service\"");
    write_text(host.settings.services / "api.toml",
               "unit = \"api.service\"\nversion = { symlink = \"" + host.root().native() +
                   "/current\" }\n" + rollback + "\n[dead_man]\nwithin = \"10m\"\n");
  }
  void state(std::string_view word) { write_text(host.root() / "unit", std::string(word) + "\n"); }
};

TEST_F(DeadManOfAUnit, AFailedUnitIsSeenAtOnce) {
  host.stop();
  state("failed");
  const auto accepted = hint();
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  act();
  EXPECT_EQ(clock.long_pauses, 0);
  const auto done = status();
  EXPECT_EQ(done.answer, HelperAnswer::done) << done.text;
  EXPECT_NE(done.steps.front().reason.find("its unit failed"), std::string::npos);
  EXPECT_EQ(host.running(), "v1");
}

TEST_F(DeadManOfAUnit, AUnitThatSomebodyStoppedStaysStopped) {
  host.stop();
  state("inactive");
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  act();
  expect_dropped();
  EXPECT_EQ(host.running(), "");
}

TEST_F(DeadManOfAUnit, AnActiveUnitThatAnswersBadlyCounts) {
  state("active");
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  act();
  EXPECT_EQ(clock.long_pauses, 4);
  EXPECT_EQ(host.running(), "v1");
}

}  // namespace
}  // namespace serin::helper
