#include "aggregator/effects/effect_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/aggregator_support/fake_bus.h"
#include "tests/unit/aggregator_support/run_until.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin::aggregator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kNowUs = 1'795'176'000'000'000;
constexpr int64_t kMinuteUs = 60'000'000;

core::Effect decision(const std::string& id, const std::string& deploy = "api-1") {
  Decision d;
  d.effect_id = id;
  d.deploy = deploy;
  d.service = "api";
  d.version = "v2";
  return d;
}

core::CommandOrder order(const std::string& id, const std::string& deploy = "api-1",
                         uint32_t revision = 1) {
  core::CommandOrder result;
  result.effect_id = "effect of " + id;
  result.command.id = id;
  result.command.revision = revision;
  result.command.deploy = deploy;
  result.command.host = "web-07";
  result.command.service = "api";
  result.command.condemned = "v2";
  result.command.target = "v1";
  return result;
}

core::Effect note(const std::string& id, const std::string& deploy = "api-1",
                  int64_t at_us = kNowUs) {
  core::Notification n;
  n.effect_id = id;
  n.deploy = deploy;
  n.service = "api";
  n.at_us = at_us;
  return n;
}

const std::string kCommand = "0123456789abcdef0123456789abcdef";

class EffectRunnerTest : public ::testing::Test {
 protected:
  EffectRunnerTest() { make(); }
  void make(bool outbox_lost = false) {
    runner_ = std::make_unique<EffectRunner>(
        loop_.get(), bus_, key_,
        [this](const core::Notification& n) { told_.push_back(n.effect_id); },
        EffectRunner::Options{.wall_us = [] { return kNowUs; },
                              .outbox_lost = outbox_lost,
                              .first_retry_ms = 2,
                              .longest_retry_ms = 8});
  }
  void take(std::vector<core::Effect> effects) {
    ASSERT_TRUE(runner_->take(std::move(effects)).has_value());
  }

  UvLoop loop_;
  FakeBus bus_;
  SigningKey key_ = *SigningKey::generate();
  std::vector<std::string> told_;
  std::unique_ptr<EffectRunner> runner_;
};

TEST_F(EffectRunnerTest, ADecisionIsStoredBeforeCommandsAndThoseBeforePeopleAreTold) {
  take({decision("d1"), order(kCommand), note("n1")});
  EXPECT_THAT(bus_.log(), ElementsAre("decision d1"));
  bus_.answer(0);
  EXPECT_THAT(bus_.log(1), ElementsAre("command " + kCommand + " r1 web-07/api"));
  EXPECT_THAT(told_, IsEmpty());
  bus_.answer(1);
  EXPECT_THAT(told_, ElementsAre("n1"));
  EXPECT_EQ(runner_->counters().waiting, 0u);
  EXPECT_EQ(runner_->counters().published, 2u);
}

TEST_F(EffectRunnerTest, ACommandIsSignedOverTheBytesThatTravel) {
  TemporaryFolder folder;
  folder.write("a.pub", key_.public_pem());
  const KeyRing ring = KeyRing::load(folder.path());
  take({order(kCommand)});
  const SignedCommand& sent = bus_.sent_.at(0).command;
  EXPECT_TRUE(ring.verify_command(sent.key_id, sent.payload, sent.signature));
  const auto command = wire::decode_command(sent.payload);
  ASSERT_TRUE(command.has_value()) << command.error().message;
  EXPECT_EQ(*command, order(kCommand).command);
}

TEST_F(EffectRunnerTest, OneDeployDoesNotWaitForAnother) {
  take({decision("d1", "api-1"), decision("d2", "web-1"), note("n2", "web-1")});
  EXPECT_THAT(bus_.log(), ElementsAre("decision d1", "decision d2"));
  bus_.answer(1);
  EXPECT_THAT(told_, ElementsAre("n2"));
}

/// The stream keeps one message a host and service: an older command that is tried again late would
/// take the newer one's place.
TEST_F(EffectRunnerTest, ACommandThatANewerOneOvertookIsNotTriedAgain) {
  const std::string newer = "fedcba9876543210fedcba9876543210";
  take({order(kCommand, "drill-1")});
  EXPECT_THAT(bus_.log(), ElementsAre("command " + kCommand + " r1 web-07/api"));
  take({order(newer, "api-1")});
  bus_.answer(1);
  bus_.answer(0, fail("no responders"));
  ASSERT_TRUE(run_until(loop_, [&] { return runner_->counters().waiting == 0; }));
  EXPECT_THAT(bus_.log(), ElementsAre("command " + kCommand + " r1 web-07/api",
                                      "command " + newer + " r1 web-07/api"));
  EXPECT_EQ(runner_->counters().superseded, 1u);
}

TEST_F(EffectRunnerTest, WhatFailsIsTriedAgainInItsPlace) {
  bus_.answers_at_once_ = true;
  bus_.answer_ = fail("no responders");
  take({decision("d1"), order(kCommand)});
  ASSERT_TRUE(run_until(loop_, [&] { return bus_.sent_.size() >= 4; }));
  for (const std::string& what : bus_.log()) EXPECT_EQ(what, "decision d1");
  EXPECT_GE(runner_->counters().failures, 4u);
  EXPECT_NE(runner_->counters().last_error.find("no responders"), std::string::npos);
  bus_.answer_ = {};
  ASSERT_TRUE(run_until(loop_, [&] { return runner_->counters().waiting == 0; }));
  EXPECT_EQ(bus_.log().back(), "command " + kCommand + " r1 web-07/api");
  EXPECT_EQ(runner_->counters().published, 2u);
  EXPECT_EQ(runner_->counters().last_error, "");
}

TEST_F(EffectRunnerTest, ABusThatIsBackIsUsedAtOnce) {
  runner_ = std::make_unique<EffectRunner>(
      loop_.get(), bus_, key_, [](const core::Notification&) {},
      EffectRunner::Options{.wall_us = [] { return kNowUs; },
                            .first_retry_ms = 3'600'000,
                            .longest_retry_ms = 3'600'000});
  take({decision("d1")});
  bus_.answer(0, fail("not connected"));
  EXPECT_EQ(bus_.sent_.size(), 1u);
  runner_->kick();
  EXPECT_THAT(bus_.log(1), ElementsAre("decision d1"));
}

TEST_F(EffectRunnerTest, OneThatFailedOnceDoesNotWaitForOneThatFailedOften) {
  runner_ = std::make_unique<EffectRunner>(
      loop_.get(), bus_, key_, [](const core::Notification&) {},
      EffectRunner::Options{
          .wall_us = [] { return kNowUs; }, .first_retry_ms = 100, .longest_retry_ms = 3'600'000});
  take({decision("often", "api-1")});
  constexpr int kTimes = 11;  // the next attempt is a minute and a half away
  for (size_t i = 0; i < kTimes; ++i) {
    ASSERT_EQ(bus_.sent_.size(), i + 1);
    bus_.answer(i, fail("no responders"));
    if (i + 1 < kTimes) runner_->kick();
  }
  // Its return shows that the timer has been set anew, now for the distant one.
  take({decision("between", "api-2")});
  bus_.answer(kTimes, fail("no responders"));
  ASSERT_TRUE(run_until(loop_, [&] { return bus_.sent_.size() == kTimes + 2; }));
  take({decision("once", "api-3")});
  bus_.answer(kTimes + 2, fail("no responders"));
  ASSERT_TRUE(run_until(loop_, [&] { return bus_.sent_.size() == kTimes + 4; }));
  EXPECT_EQ(bus_.log().back(), "decision once");
}

TEST_F(EffectRunnerTest, BeingOvertakenByAnotherAggregatorIsSaid) {
  std::string why;
  EffectRunner runner(loop_.get(), bus_, key_, [](const core::Notification&) {},
                      {.wall_us = [] { return kNowUs; },
                       .on_overtaken = [&](const std::string& text) { why = text; }});
  ASSERT_TRUE(runner.take({decision("d1")}).has_value());
  bus_.answer(0, fail("cannot store: no responders"));
  EXPECT_EQ(why, "");
  runner.kick();
  bus_.answer(1,
              fail("another aggregator has written there since (10071): this one must start anew"));
  EXPECT_NE(why.find("d1"), std::string::npos);
}

TEST_F(EffectRunnerTest, OnlyTheLastWordOnCadenceCounts) {
  take({core::AttentionOrder{"api", 1000, 600}});
  take({core::AttentionOrder{"api", 1000, 900}});
  take({core::AttentionOrder{"api", 10'000, 60}});
  EXPECT_EQ(runner_->counters().waiting, 2u);
  bus_.answer(0);
  EXPECT_THAT(bus_.log(), ElementsAre("attention api 1000", "attention api 10000"));
}

TEST_F(EffectRunnerTest, NothingLeavesBeforeTheStreamIsCaughtUpWith) {
  ASSERT_TRUE(
      runner_->replayed({decision("d1"), order(kCommand), note("n1"), core::AttentionOrder{"api"}})
          .has_value());
  EXPECT_THAT(bus_.log(), IsEmpty());
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(EffectRunnerTest, AfterARestartOnlyWhatTheAuditDoesNotHoldIsDone) {
  runner_->adopt(std::get<Decision>(decision("d1")));
  ASSERT_TRUE(runner_->replayed({decision("d1"), order(kCommand), note("n1")}).has_value());
  ASSERT_TRUE(runner_->replayed({decision("d2"), note("n2")}).has_value());
  bus_.answers_at_once_ = true;
  ASSERT_TRUE(runner_->caught_up({order(kCommand, "api-1", 3)}, {{"api", 1000, 600}}).has_value());
  EXPECT_THAT(bus_.log(), ElementsAre("decision d2", "command " + kCommand + " r3 web-07/api",
                                      "attention api 1000"));
  EXPECT_THAT(told_, ElementsAre("n1", "n2")) << "the outbox knows what it has sent";
}

TEST_F(EffectRunnerTest, ACrashBetweenDecisionAndCommandLosesNeither) {
  runner_->adopt(std::get<Decision>(decision("d1")));  // stored, then killed
  ASSERT_TRUE(runner_->replayed({decision("d1"), order(kCommand)}).has_value());
  ASSERT_TRUE(runner_->caught_up({order(kCommand)}, {}).has_value());
  EXPECT_THAT(bus_.log(), ElementsAre("command " + kCommand + " r1 web-07/api"));
}

TEST_F(EffectRunnerTest, ADecisionThatTheAuditHoldsIsNeverStoredTwice) {
  runner_->adopt(std::get<Decision>(decision("d1")));
  ASSERT_TRUE(runner_->caught_up({}, {}).has_value());
  take({decision("d1"), note("n1")});
  take({decision("d2")});
  take({decision("d2")});
  EXPECT_THAT(bus_.log(), ElementsAre("decision d2"));
}

TEST_F(EffectRunnerTest, WithoutTheOutboxOldNewsIsNotToldAgain) {
  make(true);
  runner_->adopt(std::get<Decision>(decision("d1")));
  runner_->adopt(std::get<Decision>(decision("d2")));
  ASSERT_TRUE(runner_->replayed({decision("d1"), note("old", "api-1", kNowUs - 11 * kMinuteUs)})
                  .has_value());
  ASSERT_TRUE(runner_->replayed({decision("d2"), note("young", "api-1", kNowUs - 9 * kMinuteUs)})
                  .has_value());
  ASSERT_TRUE(runner_
                  ->replayed({note("never told", "api-2", kNowUs - 11 * kMinuteUs),
                              decision("d3", "api-2")})
                  .has_value());
  bus_.answers_at_once_ = true;
  ASSERT_TRUE(runner_->caught_up({}, {}).has_value());
  EXPECT_THAT(told_, ::testing::UnorderedElementsAre("young", "never told"));
  EXPECT_EQ(runner_->counters().stale, 1u);
}

TEST_F(EffectRunnerTest, WithTheOutboxAgeDoesNotMatter) {
  ASSERT_TRUE(runner_->replayed({note("old", "api-1", kNowUs - 60 * kMinuteUs)}).has_value());
  ASSERT_TRUE(runner_->caught_up({}, {}).has_value());
  EXPECT_THAT(told_, ElementsAre("old"));
}

TEST_F(EffectRunnerTest, TheQueueHasALimitAndSaysSo) {
  for (size_t i = 0; i < EffectRunner::kMostWaiting; ++i) take({decision("d" + std::to_string(i))});
  EXPECT_FALSE(runner_->take({decision("one more")}).has_value());
}

TEST_F(EffectRunnerTest, ALongQueueIsWorkedOffByABusThatAnswersAtOnce) {
  take({decision("first")});
  for (int i = 0; i < 15'000; ++i) take({decision("d" + std::to_string(i))});
  bus_.answers_at_once_ = true;
  bus_.answer(0);
  EXPECT_EQ(runner_->counters().waiting, 0u);
}

TEST_F(EffectRunnerTest, AnAnswerAfterTheEndIsHarmless) {
  take({decision("d1")});
  runner_.reset();
  bus_.answer(0);
}

}  // namespace
}  // namespace serin::aggregator
