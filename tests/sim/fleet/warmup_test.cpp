#include <gtest/gtest.h>

#include "schema/capture.h"
#include "tests/sim/fleet/fleet.h"

// Restarts of the good version teach how long the service warms up; the next deploy is judged by it.

namespace serin::sim {
namespace {

PolicySet quick_policy() {
  PolicySet policy;
  policy.fallback.watch_window_seconds = 45;
  policy.fallback.baseline_age_seconds = 20;
  policy.fallback.must_see_errors = 0.05;
  policy.fallback.must_see_latency = 6;
  return policy;
}

/// Three hosts restart, one after the other; then v2 starts on a fourth.
Fleet restarts_then_deploy(uint64_t seed) {
  Fleet fleet(World{.hosts = 8, .rate = 60, .seed = seed}, quick_policy());
  fleet.releases["v2"] = {.add_errors = 0.08};
  for (int i = 0; i < 3; ++i) {
    fleet.at(210 + 110 * i, [i](Fleet& f) { f.start(i, "v1"); });
  }
  fleet.at(760, [](Fleet& f) { f.start(5, "v2"); });
  return fleet;
}

std::vector<const Decision*> lessons(const Fleet& fleet) {
  std::vector<const Decision*> out;
  for (const auto& decision : fleet.audit()) {
    if (decision.kind == DecisionKind::warmup) out.push_back(&decision);
  }
  return out;
}

uint32_t restarts_known(const core::Fold& fold) {
  return fold.services().front().warmup_restarts;
}

TEST(Warmup, RestartsOfTheGoodVersionAreLearntFromAndRecorded) {
  Fleet fleet = restarts_then_deploy(3);
  fleet.run_until(660);
  const auto learnt = lessons(fleet);
  ASSERT_EQ(learnt.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(learnt[i]->hosts, std::vector{Fleet::host_name(static_cast<int>(i))});
    EXPECT_EQ(learnt[i]->version, "v1");
    EXPECT_FALSE(learnt[i]->warmup_json.empty());
  }
  EXPECT_EQ(restarts_known(fleet.fold()), 3u);
  EXPECT_EQ(fleet.fold().warmups().front().warmup_json, learnt.back()->warmup_json);
}

TEST(Warmup, ARestartedAggregatorKnowsWhatWasLearnt) {
  Fleet undisturbed = restarts_then_deploy(4);
  undisturbed.run_until(830);
  for (const double when : {330.0, 430.0, 540.0, 775.0}) {
    Fleet fleet = restarts_then_deploy(4);
    fleet.at(when, [](Fleet& f) { f.restart_aggregator(); });
    fleet.run_until(830);
    EXPECT_EQ(fleet.audit(), undisturbed.audit()) << when;
    EXPECT_EQ(restarts_known(fleet.fold()), 3u) << when;
  }
}

// The stream is kept for two hours, the audit for a year.
TEST(Warmup, WhatTheStreamNoLongerHoldsComesFromTheAudit) {
  Fleet fleet = restarts_then_deploy(5);
  fleet.run_until(755);
  core::Fold again(quick_policy());
  for (const auto& decision : fleet.audit()) again.adopt(decision);
  for (const auto& input : fleet.stream()) {
    if (input.seq * 10 > fleet.stream().size() * 9) again.step(input);
  }
  EXPECT_EQ(restarts_known(again), 3u);
}

/// What `record` writes and `replay` reads, from a moment after the restarts on.
TEST(Warmup, ACaptureThatBeginsLaterIsJudgedByTheSameMargins) {
  Fleet fleet = restarts_then_deploy(6);
  fleet.obeys(false);  // the capture holds less history: its verdict may come some seconds later
  fleet.run_until(655);
  const size_t from = fleet.stream().size();
  for (const Control& control : fleet.fold().warmups()) fleet.publish(control);
  fleet.run_until(830);
  const auto live = fleet.fold().deploys();
  ASSERT_EQ(live.size(), 1u);
  ASSERT_EQ(live[0].verdict, "rollback");

  core::Fold replayed(quick_policy());
  for (size_t i = from; i < fleet.stream().size(); ++i) {
    const auto& input = fleet.stream()[i];
    auto line = capture::parse(capture::format({input.stored_us, input.seq, input.body}));
    ASSERT_TRUE(line) << line.error().message;
    replayed.step({line->seq, line->stored_us, std::move(line->body)});
  }
  EXPECT_EQ(restarts_known(replayed), 3u);
  const auto there = fleet.fold().deploy(live[0].id), here = replayed.deploy(live[0].id);
  ASSERT_TRUE(there && here);
  EXPECT_EQ(here->verdict, "rollback");
  EXPECT_EQ(here->warmup_restarts, there->warmup_restarts);
}

// The margin that a deploy was opened with stays its own, and is said.
TEST(Warmup, ADeploySaysWhatItsMarginRestsOn) {
  Fleet fleet = restarts_then_deploy(7);
  fleet.run_until(830);
  ASSERT_EQ(fleet.fold().deploys().size(), 1u);
  EXPECT_EQ(fleet.fold().deploy(fleet.fold().deploys()[0].id)->warmup_restarts, 3u);
  Fleet without = restarts_then_deploy(7);
  without.at(60, [](Fleet& f) { f.start(6, "v2"); });
  without.run_until(100);
  ASSERT_FALSE(without.fold().deploys().empty());
  EXPECT_EQ(without.fold().deploys().back().warmup_restarts, 0u);
}

TEST(Warmup, ACrashLoopAndACanaryTeachNothing) {
  Fleet fleet(World{.hosts = 8, .rate = 60, .seed = 8}, quick_policy());
  for (double at = 210; at < 470; at += 50) {
    fleet.at(at, [](Fleet& f) { f.start(1, "v1"); });
  }
  fleet.at(250, [](Fleet& f) { f.start(2, "v2"); });  // passes; its own start is no lesson
  fleet.run_until(475);
  EXPECT_NE(fleet.find(DecisionKind::pass, "v2"), nullptr);
  EXPECT_TRUE(lessons(fleet).empty());
}

// A host that was put back starts the good version again.
TEST(Warmup, ARollbackTeachesToo) {
  Fleet fleet(World{.hosts = 8, .rate = 60, .seed = 9}, quick_policy());
  fleet.releases["v2"] = {.add_errors = 0.2};
  fleet.at(90, [](Fleet& f) { f.start(3, "v2"); });
  fleet.run_until(330);
  ASSERT_EQ(fleet.version_on(3), "v1");
  ASSERT_EQ(lessons(fleet).size(), 1u);
  EXPECT_EQ(lessons(fleet)[0]->hosts, std::vector{Fleet::host_name(3)});
}

}  // namespace
}  // namespace serin::sim
