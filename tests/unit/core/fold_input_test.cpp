#include <gtest/gtest.h>

#include "aggregator/core/fold.h"

// What reaches the fold from the world: impossible ages, repeats, late and unannounced samples.

namespace serin::core {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'000'000 * kSecond;

Sample sample(uint64_t sequence, const std::string& generation = "g1", const std::string& version = "v1") {
  Sample s;
  s.from = {"web-00", "boot", 1, sequence};
  s.service = "api";
  s.version = version;
  s.generation = generation;
  s.requests = RequestMetrics{.requests = 10};
  return s;
}

Event started(uint64_t sequence, const std::string& generation, const std::string& version,
              const std::string& previous = {}) {
  Event e;
  e.from = {"web-00", "boot", 1, sequence};
  e.service = "api";
  e.kind = EventKind::version_started;
  e.version = version;
  e.previous = previous;
  e.generation = generation;
  return e;
}

class FoldInput : public testing::Test {
 protected:
  Fold fold{PolicySet{}};
  int64_t now = kStart;
  std::vector<Effect> give(std::variant<Sample, Event, Control> body, int64_t later = kSecond) {
    now += later;
    return fold.step({.seq = ++seq, .stored_us = now, .body = std::move(body)});
  }
  HostView host() { return fold.hosts("api").at(0); }
  uint64_t seq = 0;
};

TEST_F(FoldInput, ASampleFromTheFutureIsRefusedAndCounted) {
  give(started(1, "g1", "v1"));
  Sample future = sample(2);
  future.age_us = -1;
  give(future);
  EXPECT_EQ(fold.counters().refused, 1u);
  EXPECT_EQ(host().samples, 0u);
}

TEST_F(FoldInput, ASampleOlderThanAnHourIsRefusedAndCounted) {
  give(started(1, "g1", "v1"));
  Sample old = sample(2);
  old.age_us = 3601 * kSecond;
  give(old);
  EXPECT_EQ(host().refused, 1u);
}

TEST_F(FoldInput, ASampleThatArrivesTwiceCountsOnce) {
  give(started(1, "g1", "v1"));
  give(sample(2));
  give(sample(2));
  EXPECT_EQ(host().samples, 1u);
  EXPECT_EQ(host().repeats, 1u);
}

TEST_F(FoldInput, ASampleThatArrivesAMinuteLateIsCountedForDisplayOnly) {
  give(started(1, "g1", "v1"));
  give(sample(2));
  for (uint64_t i = 3; i < 70; ++i) give(sample(i == 3 ? 3 : i + 1));  // number 4 is missing
  EXPECT_EQ(host().gaps, 1u);
  Sample late = sample(4);
  late.age_us = 60 * kSecond;
  give(late);
  EXPECT_EQ(host().gaps, 0u);
  EXPECT_EQ(host().late, 1u);
}

TEST_F(FoldInput, MissingNumbersAreShownAsGaps) {
  give(started(1, "g1", "v1"));
  give(sample(2));
  give(sample(9));
  EXPECT_EQ(host().gaps, 6u);
  EXPECT_EQ(fold.counters().gaps, 6u);
}

TEST_F(FoldInput, WhatRunsWhenAServiceIsFirstSeenIsSettled) {
  const auto effects = give(started(1, "g1", "v1"));
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_EQ(std::get<Decision>(effects[0]).kind, DecisionKind::settled);
  EXPECT_TRUE(fold.deploys().empty());
}

TEST_F(FoldInput, ASampleWaitsForItsVersionStarted) {
  give(started(1, "g1", "v1"));
  give(sample(2));
  give(sample(3, "g2", "v2"), kSecond);
  EXPECT_EQ(host().version, "v1");
  give(started(4, "g2", "v2", "v1"), kSecond);
  EXPECT_EQ(host().version, "v2");
  ASSERT_EQ(fold.deploys().size(), 1u);
  EXPECT_EQ(fold.deploys()[0].previous, "v1");
}

/// A version that is asked for over HTTP may be known long after the start.
TEST_F(FoldInput, AVersionThatIsToldTenSecondsLateOpensItsDeployAllTheSame) {
  give(started(1, "g1", "v1"));
  give(sample(2));
  uint64_t sequence = 2;
  for (int second = 0; second < 10; ++second) give(sample(++sequence, "g2", ""));
  EXPECT_TRUE(fold.deploys().empty());
  EXPECT_EQ(host().version, "v1");
  Event late = started(++sequence, "g2", "v2", "v1");
  late.age_us = 10 * kSecond;
  give(late);
  ASSERT_EQ(fold.deploys().size(), 1u);
  EXPECT_EQ(fold.deploys()[0].version, "v2");
  EXPECT_EQ(host().version, "v2");
  const uint64_t before = host().samples;
  give(sample(++sequence, "g2", "v2"));
  EXPECT_EQ(host().samples, before + 1);
  EXPECT_EQ(fold.deploys().size(), 1u);
}

TEST_F(FoldInput, AVersionWhoseAnnouncementWasLostIsKnownFromItsSamples) {
  give(started(1, "g1", "v1"));
  give(sample(2));
  for (uint64_t i = 4; i < 9; ++i) give(sample(i, "g2", "v2"));
  EXPECT_EQ(host().version, "v2");
  EXPECT_EQ(fold.counters().unknown_version, 1u);
  EXPECT_EQ(fold.deploys().size(), 1u);
}

TEST_F(FoldInput, AnAgentThatComesBackAndRepeatsItselfOpensNothing) {
  give(started(1, "g1", "v1"));
  give(started(2, "g2", "v2", "v1"));
  ASSERT_EQ(fold.deploys().size(), 1u);
  Event again = started(1, "g2", "v2", "v1");
  again.from.agent_start_us = 99;
  give(again);
  EXPECT_EQ(fold.deploys().size(), 1u);
}

TEST_F(FoldInput, OnlyAnExternalStartOpensADeploy) {
  give(started(1, "g1", "v1"));
  for (Cause cause : {Cause::rollback, Cause::drill, Cause::dead_man}) {
    Event event = started(seq + 1, "g" + std::to_string(seq + 1), "v" + std::to_string(seq + 1), "v1");
    event.cause = cause;
    give(event);
  }
  EXPECT_TRUE(fold.deploys().empty());
}

TEST_F(FoldInput, DeployIdsAreTheSameInEveryFold) {
  give(started(1, "g1", "v1"));
  give(started(2, "g2", "v2", "v1"));
  EXPECT_EQ(fold.deploys()[0].id, deploy_id("api", now / 1000));
}

TEST_F(FoldInput, AFarewellIsNoSilence) {
  give(started(1, "g1", "v1"));
  Event farewell;
  farewell.from = {"web-00", "boot", 1, 2};
  farewell.service = "api";
  farewell.kind = EventKind::final_;
  give(farewell);
  give(Control{}, 60 * kSecond);
  EXPECT_TRUE(host().gone);
  EXPECT_FALSE(host().silent);
}

TEST_F(FoldInput, AnIrreversibleDeployIsFrozenNotRolledBack) {
  give(started(1, "g1", "v1"));
  Control declared;
  declared.kind = ControlKind::declare;
  declared.service = "api";
  declared.version = "v2";
  declared.irreversible = true;
  give(declared);
  give(started(2, "g2", "v2", "v1"));
  Event failed = started(3, "g2", "v2");
  failed.kind = EventKind::unit_failed;
  const auto effects = give(failed);
  EXPECT_EQ(fold.deploys()[0].state, DeployState::frozen);
  for (const auto& effect : effects) EXPECT_FALSE(std::holds_alternative<CommandOrder>(effect));
}

TEST_F(FoldInput, AKillForMemoryOnTheCanaryPutsItBack) {
  give(started(1, "g1", "v1"));
  give(started(2, "g2", "v2", "v1"));
  Event killed = started(3, "g2", "v2");
  killed.kind = EventKind::facts;
  killed.facts = {{"oom_kills", "1"}};
  give(killed);
  EXPECT_EQ(fold.deploys()[0].verdict, "rollback");
  EXPECT_EQ(fold.deploys()[0].reason.metric, "oom");
}

TEST_F(FoldInput, AProcessThatDiedOutOfMemoryIsOneTooAndOtherDeathsAreNot) {
  give(started(1, "g1", "v1"));
  give(started(2, "g2", "v2", "v1"));
  Event died = started(3, "g2", "v2");
  died.kind = EventKind::process_died;
  died.reason = "signal";
  give(died);
  EXPECT_EQ(fold.deploys()[0].verdict, "");
  died.from.sequence = 4;
  died.reason = "oom-kill";
  give(died);
  EXPECT_EQ(fold.deploys()[0].reason.metric, "oom");
}

TEST_F(FoldInput, WhereOtherHostsRunOutOfMemoryTooTheReleaseIsNotPutBackForIt) {
  give(started(1, "g1", "v1"));
  Event other = started(1, "g1", "v1");
  other.from.host = "web-01";
  give(other);
  other.from.sequence = 2;
  other.kind = EventKind::facts;
  other.facts = {{"oom_kills", "1"}};
  give(other);
  give(started(2, "g2", "v2", "v1"));
  Event killed = started(3, "g2", "v2");
  killed.kind = EventKind::facts;
  killed.facts = {{"oom_kills", "2"}};
  give(killed);
  EXPECT_EQ(fold.deploys()[0].verdict, "");
}

TEST_F(FoldInput, ACommandIsDueInTheHostsOwnClock) {
  give(started(1, "g1", "v1"));
  Event v2 = started(2, "g2", "v2", "v1");
  v2.wall_us = now + kSecond + 3600 * kSecond;  // this host's clock is an hour ahead
  give(v2);
  Event failed = started(3, "g2", "v2");
  failed.kind = EventKind::unit_failed;
  failed.wall_us = now + kSecond + 3600 * kSecond;
  const auto effects = give(failed);
  const CommandOrder* order = nullptr;
  for (const auto& effect : effects) {
    if (const auto* each = std::get_if<CommandOrder>(&effect)) order = each;
  }
  ASSERT_NE(order, nullptr);
  EXPECT_EQ(order->command.target, "v1");
  EXPECT_EQ(order->command.condemned, "v2");
  EXPECT_EQ(order->command.not_after_us, now + 4200 * kSecond);
  EXPECT_EQ(order->command.id, command_id(fold.deploys()[0].id, "web-00", "api", "rollback", 0));
}

TEST_F(FoldInput, AThirdAutomaticRollbackWithinTheHourFreezes) {
  give(started(1, "g1", "v1"));
  int generation = 1;
  for (int i = 0; i < 3; ++i) {
    const std::string version = "v" + std::to_string(i + 2);
    Event bad = started(++seq + 100, "g" + std::to_string(++generation), version, "v1");
    give(bad);
    Event failed = bad;
    failed.from.sequence = ++seq + 100;
    failed.kind = EventKind::unit_failed;
    give(failed);
    Event back = started(++seq + 100, "g" + std::to_string(++generation), "v1", version);
    back.cause = Cause::rollback;
    if (i == 2) break;
    give(back);
    Event verified = back;
    verified.from.sequence = ++seq + 100;
    verified.kind = EventKind::rollback_step;
    verified.step = "verified";
    verified.command = command_id(fold.deploys()[0].id, "web-00", "api", "rollback", 0);
    give(verified);
  }
  EXPECT_EQ(fold.deploys()[0].state, DeployState::frozen);
}

}  // namespace
}  // namespace serin::core
