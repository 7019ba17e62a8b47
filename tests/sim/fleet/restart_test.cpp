#include <gtest/gtest.h>

#include <set>

#include "tests/sim/fleet/fleet.h"

namespace serin::sim {
namespace {

Fleet bad_then_good(uint64_t seed) {
  Fleet fleet(World{.seed = seed}, quick_policy());
  fleet.releases["v2"] = {.add_errors = 0.08};
  fleet.at(60, [](Fleet& f) { f.start(0, "v2"); });
  fleet.at(150, [](Fleet& f) { f.start(1, "v3"); });
  return fleet;
}

void expect_right_end(const Fleet& fleet, const std::string& when) {
  std::multiset<std::string> ids;
  for (const auto& decision : fleet.audit()) ids.insert(decision.effect_id);
  for (const auto& id : ids) EXPECT_EQ(ids.count(id), 1u) << id << " " << when;
  EXPECT_NE(fleet.find(DecisionKind::rollback, "v2"), nullptr) << when;
  EXPECT_NE(fleet.find(DecisionKind::recovered, "v2"), nullptr) << when;
  EXPECT_NE(fleet.find(DecisionKind::pass, "v3"), nullptr) << when;
  EXPECT_EQ(fleet.find(DecisionKind::rollback, "v3"), nullptr) << when;
  EXPECT_EQ(fleet.executed(0), 1) << when;
  EXPECT_EQ(fleet.version_on(0), "v1") << when;
  EXPECT_EQ(fleet.version_on(1), "v3") << when;
}

TEST(Restart, AtAnyMomentLeadsToTheSameDecisionsOnce) {
  Fleet undisturbed = bad_then_good(3);
  undisturbed.run_until(230);
  expect_right_end(undisturbed, "undisturbed");
  for (double when = 55; when < 205; when += 7) {
    Fleet fleet = bad_then_good(3);
    fleet.at(when, [](Fleet& f) { f.restart_aggregator(); });
    fleet.run_until(230);
    expect_right_end(fleet, "restarted at " + std::to_string(when));
    ASSERT_EQ(fleet.audit().size(), undisturbed.audit().size()) << when;
    for (size_t i = 0; i < fleet.audit().size(); ++i) EXPECT_EQ(fleet.audit()[i], undisturbed.audit()[i]) << when;
  }
}

TEST(Restart, BetweenDecisionAndCommandStillRollsBackOnce) {
  for (double away : {1.0, 4.0, 30.0}) {
    Fleet fleet = bad_then_good(5);
    fleet.at(50, [](Fleet& f) { f.crash_after_next_decision(); });
    fleet.at(75 + away, [](Fleet& f) { f.restart_aggregator(); });
    fleet.run_until(260);
    expect_right_end(fleet, "away for " + std::to_string(away));
  }
}

TEST(Restart, FoldsTheSameStreamToTheSameView) {
  Fleet fleet = bad_then_good(9);
  fleet.run_until(120);
  core::Fold again(quick_policy());
  for (const auto& decision : fleet.audit()) again.adopt(decision);
  for (const auto& input : fleet.stream()) again.step(input);
  ASSERT_EQ(again.deploys().size(), fleet.fold().deploys().size());
  const auto a = again.deploy(again.deploys().front().id), b = fleet.fold().deploy(again.deploys().front().id);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->decided_us, b->decided_us);
  EXPECT_EQ(a->requests_harmed, b->requests_harmed);
  EXPECT_EQ(a->timeline.size(), b->timeline.size());
  EXPECT_EQ(a->reason, b->reason);
}

TEST(Audit, AVerdictThatIsRecordedIsNeverDecidedAgain) {
  Fleet fleet = bad_then_good(11);
  fleet.run_until(58);
  // Before the evidence is there, the audit of an earlier aggregator already says what was decided.
  fleet.run_until(61);
  ASSERT_FALSE(fleet.fold().deploys().empty());
  Decision recorded;
  recorded.kind = DecisionKind::inconclusive;
  recorded.deploy = fleet.fold().deploys().front().id;
  recorded.effect_id = recorded.deploy + "/inconclusive//0";
  recorded.service = "api";
  recorded.version = "v2";
  recorded.at_us = fleet.fold().now_us() + 2'000'000;
  recorded.reason.text = "as recorded";
  core::Fold again(quick_policy());
  again.adopt(recorded);
  for (const auto& input : fleet.stream()) again.step(input);
  fleet.run_until(90);
  for (size_t i = 0; i < fleet.stream().size(); ++i) {
    if (fleet.stream()[i].stored_us > again.now_us()) again.step(fleet.stream()[i]);
  }
  const auto view = again.deploy(recorded.deploy);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->verdict, "inconclusive");
  EXPECT_EQ(view->reason.text, "as recorded");
}

}  // namespace
}  // namespace serin::sim
