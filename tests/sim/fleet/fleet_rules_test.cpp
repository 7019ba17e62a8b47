#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/sim/fleet/fleet.h"

// Rules about many hosts that no single story shows: how many at once, in which order, and what never goes together.

namespace serin::sim {
namespace {

/// How many hosts were commanded and not yet verified, at most.
size_t most_at_once(const Fleet& fleet, const std::string& deploy) {
  std::set<std::string> under_way;
  size_t most = 0;
  const auto view = fleet.fold().deploy(deploy);
  for (const auto& entry : view->timeline) {
    if (entry.kind == "commanded") under_way.insert(entry.host);
    if (entry.kind == "verified") under_way.erase(entry.host);
    most = std::max(most, under_way.size());
  }
  return most;
}

size_t count(const Fleet& fleet, CommandKind kind, const std::string& host) {
  return static_cast<size_t>(std::ranges::count_if(
      fleet.commands(), [&](const Command& command) { return command.kind == kind && command.host == host; }));
}

TEST(FleetRules, NoMoreThanMaxParallelAreCommandedAtOnce) {
  PolicySet policy = quick_policy();
  policy.fallback.max_parallel = 0.15;
  Fleet fleet(World{.hosts = 20, .seed = 4}, policy);
  fleet.releases["v2"] = {.add_errors = 0.08};
  fleet.at(60, [](Fleet& f) {
    for (int host = 0; host < 9; ++host) f.start(host, "v2");
  });
  fleet.run_until(140);
  ASSERT_NE(fleet.find(DecisionKind::rolled_back, "v2"), nullptr);
  for (int host = 0; host < 9; ++host) EXPECT_EQ(fleet.executed(host), 1) << host;
  EXPECT_EQ(most_at_once(fleet, fleet.fold().deploys().front().id), 3u);
}

/// Nine of ten hosts run the release: those that serve go one by one, as the limit asks for more than are left.
TEST(FleetRules, HostsThatServeWaitForMinHealthy) {
  PolicySet policy = quick_policy();
  policy.fallback.max_parallel = 1;
  policy.fallback.min_healthy = 0.95;
  Fleet fleet(World{.hosts = 10, .seed = 4}, policy);
  fleet.releases["v2"] = {.add_errors = 0.08};
  fleet.at(60, [](Fleet& f) {
    for (int host = 0; host < 5; ++host) f.start(host, "v2");
  });
  fleet.run_until(140);
  ASSERT_NE(fleet.find(DecisionKind::rolled_back, "v2"), nullptr);
  EXPECT_EQ(most_at_once(fleet, fleet.fold().deploys().front().id), 1u);
}

TEST(FleetRules, MinHealthyNeverForbidsPuttingBackAHostThatFailsAlready) {
  PolicySet policy = quick_policy();
  policy.fallback.max_parallel = 1;
  policy.fallback.min_healthy = 0.95;
  Fleet fleet(World{.hosts = 10, .seed = 4}, policy);
  fleet.releases["v2"] = {.stays_down = true};
  fleet.at(60, [](Fleet& f) {
    for (int host = 0; host < 5; ++host) f.start(host, "v2");
  });
  fleet.run_until(140);
  ASSERT_NE(fleet.find(DecisionKind::rolled_back, "v2"), nullptr);
  EXPECT_EQ(most_at_once(fleet, fleet.fold().deploys().front().id), 5u);
}

/// One message a host and service: whoever was away would never see the rollback.
TEST(FleetRules, AConfirmNeverTakesThePlaceOfARollbackThatWasNotAnswered) {
  Fleet fleet(World{.hosts = 6, .dead_man = true, .seed = 2}, quick_policy());
  fleet.releases["v2"] = {.add_errors = 0.08};
  fleet.at(60, [](Fleet& f) { f.start(0, "v2"); });
  fleet.at(61, [](Fleet& f) { f.cut_off(0, 100); });
  fleet.run_until(155);
  ASSERT_GT(count(fleet, CommandKind::rollback, "web-00"), 1u);
  const auto& commands = fleet.commands();
  const auto last = std::find_if(commands.rbegin(), commands.rend(), [](const Command& c) { return c.host == "web-00"; });
  EXPECT_EQ(last->kind, CommandKind::rollback);
  fleet.run_until(200);
  EXPECT_EQ(fleet.version_on(0), "v1");
  EXPECT_EQ(fleet.executed(0), 1);
}

bool half_way_to_a_rollback(const Fleet& fleet) {
  const auto deploy = fleet.fold().deploy(fleet.fold().deploys().front().id);
  return deploy->state == core::DeployState::watching &&
         std::ranges::any_of(deploy->metrics, [](const core::MetricView& metric) {
           return metric.log_evidence >= metric.threshold / 2;
         });
}

TEST(FleetRules, ACanaryThatHasServedWellForAMinuteIsConfirmed) {
  Fleet fleet(World{.hosts = 6, .dead_man = true, .seed = 2}, PolicySet{});
  fleet.at(400, [](Fleet& f) { f.start(0, "v2"); });
  fleet.run_until(459);
  EXPECT_EQ(fleet.confirmed(0), "v1");
  fleet.run_until(464);
  EXPECT_EQ(fleet.fold().deploys().front().state, core::DeployState::watching);
  EXPECT_EQ(fleet.confirmed(0), "v2");
}

TEST(FleetRules, ACanaryThatIsSuspectedIsNotConfirmed) {
  int suspected = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Fleet fleet(World{.hosts = 6, .dead_man = true, .seed = seed}, PolicySet{});
    fleet.releases["v2"] = {.add_errors = 0.0035};
    fleet.at(400, [](Fleet& f) { f.start(0, "v2"); });
    fleet.run_until(458);
    bool all_along = true;
    for (double second = 459; second <= 464; ++second) {
      all_along = all_along && half_way_to_a_rollback(fleet);
      fleet.run_until(second);
    }
    if (!all_along) continue;
    ++suspected;
    EXPECT_EQ(fleet.confirmed(0), "v1") << seed;
  }
  EXPECT_GT(suspected, 0);
}

Fleet rehearsed(uint64_t seed) {
  Fleet fleet(World{.hosts = 8, .dead_man = true, .seed = seed}, quick_policy());
  fleet.releases["v3"] = {.add_errors = 0.08};
  fleet.at(50, [](Fleet& f) { f.start(0, "v2"); });
  fleet.at(52, [](Fleet& f) { f.person_acts(Act::pass, "ann"); });
  fleet.at(60, [](Fleet& f) { f.drill(0, "ann"); });
  fleet.at(61, [](Fleet& f) { f.drill(1, "ben"); });
  fleet.at(70, [](Fleet& f) { f.start(4, "v3"); });
  fleet.at(71, [](Fleet& f) { f.cut_off(4, 20); });
  fleet.at(84, [](Fleet& f) { f.dead_man(4); });
  return fleet;
}

TEST(FleetRules, ARestartInTheMiddleOfADrillOrADeadManChangesNothing) {
  Fleet undisturbed = rehearsed(3);
  undisturbed.run_until(130);
  ASSERT_NE(undisturbed.find(DecisionKind::drilled, "v2"), nullptr);
  ASSERT_NE(undisturbed.find(DecisionKind::drill_refused, "v1"), nullptr);
  ASSERT_NE(undisturbed.find(DecisionKind::dead_man, "v3"), nullptr);
  ASSERT_EQ(undisturbed.fold().drills().size(), 2u);
  for (double when : {59.5, 60.5, 61.5, 62.5, 63.5, 66.5, 80.5, 90.5, 93.5}) {
    Fleet fleet = rehearsed(3);
    fleet.at(when, [](Fleet& f) { f.restart_aggregator(); });
    fleet.run_until(130);
    EXPECT_EQ(fleet.drilled(0), 1) << when;
    ASSERT_EQ(fleet.audit().size(), undisturbed.audit().size()) << when;
    for (size_t i = 0; i < fleet.audit().size(); ++i) EXPECT_EQ(fleet.audit()[i], undisturbed.audit()[i]) << when;
  }
}

TEST(FleetRules, DrillsAreRememberedByTheAuditWhenTheStreamHasForgottenThem) {
  Fleet fleet = rehearsed(3);
  fleet.run_until(130);
  core::Fold later(quick_policy());
  for (const auto& decision : fleet.audit()) later.adopt(decision);
  later.step({.seq = 1, .stored_us = fleet.fold().now_us() + 7'200'000'000, .body = Control{}});
  ASSERT_EQ(later.drills().size(), 2u);
  EXPECT_EQ(later.drills()[0].state, core::DrillState::drilled);
  EXPECT_EQ(later.drills()[0].text, fleet.find(DecisionKind::drilled)->reason.text);
  EXPECT_EQ(later.drills()[1].state, core::DrillState::refused);
}

TEST(FleetRules, AHostThatRehearsesIsShownAsSuchAndIsNoBaseline) {
  Fleet fleet(World{.hosts = 8, .seed = 3}, quick_policy());
  fleet.at(50, [](Fleet& f) { f.start(0, "v2"); });
  fleet.at(52, [](Fleet& f) { f.person_acts(Act::pass, "ann"); });
  fleet.at(100, [](Fleet& f) { f.start(4, "v3"); });
  fleet.at(99, [](Fleet& f) { f.drill(0, "ann"); });
  fleet.run_until(103);
  ASSERT_EQ(fleet.fold().drills().size(), 1u);
  EXPECT_EQ(fleet.fold().drills()[0].state, core::DrillState::running);
  EXPECT_EQ(fleet.fold().hosts("api")[0].drill, fleet.fold().drills()[0].id);
  const auto baseline = fleet.fold().deploy(fleet.fold().deploys().front().id)->baseline_hosts;
  EXPECT_FALSE(baseline.empty());
  EXPECT_EQ(std::ranges::find(baseline, "web-00"), baseline.end());
  fleet.run_until(110);
  EXPECT_EQ(fleet.fold().hosts("api")[0].drill, "");
}

}  // namespace
}  // namespace serin::sim
