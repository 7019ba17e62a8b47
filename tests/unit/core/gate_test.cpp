#include <gtest/gtest.h>

#include "aggregator/core/state.h"

namespace serin::core {
namespace {

TEST(Stages, AreHostsOrSharesAndAtLeastOne) {
  Policy policy;
  policy.stages = {"1 host", "5%", "25%", "100%"};
  EXPECT_EQ(stage_hosts(policy, 0, 40), 1u);
  EXPECT_EQ(stage_hosts(policy, 1, 40), 2u);
  EXPECT_EQ(stage_hosts(policy, 1, 6), 1u);
  EXPECT_EQ(stage_hosts(policy, 2, 40), 10u);
  EXPECT_EQ(stage_hosts(policy, 3, 40), 40u);
  EXPECT_EQ(stage_hosts(policy, 9, 40), 40u);
}

TEST(Gate, AVersionNeverSeenMayStartOnTheFirstStageOnly) {
  Fold fold{PolicySet{}};
  EXPECT_EQ(fold.gate("api", "v9", 0).gate, Fold::Gate::go);
  EXPECT_EQ(fold.gate("api", "v9", 1).gate, Fold::Gate::not_yet);
}

TEST(Gate, ACondemnedVersionIsStoppedUntilItIsAbsolved) {
  Fold fold{PolicySet{}};
  Decision condemned;
  condemned.kind = DecisionKind::rollback;
  condemned.effect_id = "api-1/rollback//0";
  condemned.deploy = "api-1";
  condemned.service = "api";
  condemned.version = "v2";
  condemned.at_us = 1'000'000;
  fold.adopt(condemned);
  fold.step({.seq = 1, .stored_us = 2'000'000, .body = Control{}});
  EXPECT_EQ(fold.gate("api", "v2", 0).gate, Fold::Gate::stop);
  Control absolve;
  absolve.kind = ControlKind::act;
  absolve.act = Act::absolve;
  absolve.service = "api";
  absolve.version = "v2";
  fold.step({.seq = 2, .stored_us = 3'000'000, .body = absolve});
  EXPECT_EQ(fold.gate("api", "v2", 0).gate, Fold::Gate::go);
}

TEST(Gate, WhatPassedAStageMayGoToTheNext) {
  Fold fold{PolicySet{}};
  Decision passed;
  passed.kind = DecisionKind::opened;
  passed.effect_id = "api-1/opened//0";
  passed.deploy = "api-1";
  passed.service = "api";
  passed.version = "v2";
  passed.at_us = 1'000'000;
  fold.adopt(passed);
  passed.kind = DecisionKind::pass;
  passed.effect_id = "api-1/pass//0";
  passed.at_us = 1'500'000;
  fold.adopt(passed);
  fold.step({.seq = 1, .stored_us = 2'000'000, .body = Control{}});
  EXPECT_EQ(fold.gate("api", "v2", 1).gate, Fold::Gate::go);
  EXPECT_EQ(fold.gate("api", "v2", 3).gate, Fold::Gate::not_yet);
}

}  // namespace
}  // namespace serin::core
