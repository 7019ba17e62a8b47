#include <gtest/gtest.h>

#include "tests/sim/fleet/fleet.h"

// What people are told of hosts that differ in more than the version.

namespace serin::sim {
namespace {

constexpr const char* kConfig = "config./etc/api/api.toml";

PolicySet quick() {
  PolicySet policy;
  policy.fallback.watch_window_seconds = 45;
  policy.fallback.baseline_age_seconds = 20;
  return policy;
}

void tell_all(Fleet& fleet, const std::string& name, const std::string& value) {
  for (int host = 0; host < fleet.hosts(); ++host) fleet.fact(host, name, value);
}

/// Six hosts alike; the first gets v2.
Fleet fleet_of(const Release& v2) {
  Fleet fleet(World{.rate = 60}, quick());
  fleet.releases["v2"] = v2;
  fleet.at(10, [](Fleet& f) {
    tell_all(f, "limits.nofile", "65536/65536");
    tell_all(f, kConfig, "aaaa");
    tell_all(f, "boot.id", "b");
  });
  fleet.at(60, [](Fleet& f) { f.start(0, "v2"); });
  return fleet;
}

std::string told(const Fleet& fleet, const std::string& kind) {
  for (const auto& note : fleet.notifications())
    if (note.kind == kind) return note.text;
  return {};
}

core::DeployView deploy_of(const Fleet& fleet) {
  const auto deploys = fleet.fold().deploys();
  return deploys.empty() ? core::DeployView{} : deploys.front();
}

TEST(Drift, IsShownWithItsDeployAndItsHost) {
  Fleet fleet = fleet_of({});
  fleet.at(11, [](Fleet& f) { f.fact(0, "limits.nofile", "256/256"); });
  fleet.run_until(75);
  const auto deploy = deploy_of(fleet);
  ASSERT_EQ(deploy.drift.size(), 1u);
  EXPECT_EQ(deploy.drift[0].host, "web-00");
  EXPECT_EQ(deploy.drift[0].fact, "limits.nofile");
  EXPECT_EQ(deploy.drift[0].canary, "256/256");
  EXPECT_EQ(deploy.drift[0].baseline, "65536/65536");
  EXPECT_TRUE(deploy.drift[0].blocking);
  EXPECT_TRUE(deploy.hosts.at(0).drifted);
  EXPECT_EQ(deploy.verdict, "") << "the guardrails still look on";
  EXPECT_EQ(
      told(fleet, "drift"),
      "api v2 is not judged by web-00, which differs in more than the version: limits.nofile is "
      "256/256 on web-00 and 65536/65536 on the others; no host is left to judge by; guardrails "
      "still act");
}

TEST(Drift, AnotherHostThatJoinsIsJudged) {
  Fleet fleet = fleet_of({.errors = 60});
  fleet.at(11, [](Fleet& f) { f.fact(0, "limits.nofile", "256/256"); });
  fleet.at(80, [](Fleet& f) { f.start(1, "v2"); });
  fleet.run_until(130);
  EXPECT_EQ(deploy_of(fleet).verdict, "rollback");
  EXPECT_EQ(deploy_of(fleet).reason.metric, "errors");
}

TEST(Drift, AConfigurationThatChangedWithTheDeployIsNamedBesideTheVerdict) {
  Fleet fleet = fleet_of({.errors = 60});
  fleet.at(61, [](Fleet& f) { f.fact(0, kConfig, "bbbb"); });
  fleet.run_until(100);
  EXPECT_EQ(deploy_of(fleet).verdict, "rollback");
  const std::string text = told(fleet, "rollback");
  EXPECT_NE(
      text.find("(what else differs: config./etc/api/api.toml is bbbb on web-00 and aaaa on the "
                "others (there it was aaaa before the deploy))"),
      std::string::npos)
      << text;
  EXPECT_EQ(told(fleet, "drift"), "");
}

TEST(Drift, WhatComesBeforeTheDeployIsNoChangeWithIt) {
  Fleet fleet = fleet_of({});
  fleet.at(30, [](Fleet& f) { f.fact(0, "boot.id", "c"); });
  fleet.run_until(80);
  EXPECT_TRUE(deploy_of(fleet).drift.empty());
}

TEST(Drift, EvidenceOfAHostThatDriftsLaterIsThrownAway) {
  // The agent needs a moment to see what the new process has mapped.
  Fleet fleet = fleet_of({.errors = 4});
  fleet.at(64, [](Fleet& f) { f.fact(0, "limits.nofile", "256/256"); });
  fleet.run_until(150);
  EXPECT_EQ(deploy_of(fleet).verdict, "inconclusive");
  EXPECT_EQ(deploy_of(fleet).reason.metric, "drift");
}

TEST(Drift, AFleetOfThousandsIsAskedToTheLastHost) {
  // Only one host in 1,500 is like the canary, and no sample of them need hold it.
  Fleet fleet(World{.hosts = 1502, .rate = 1}, quick());
  fleet.at(5, [](Fleet& f) {
    tell_all(f, "cpu.model", "EPYC");
    f.fact(0, "cpu.model", "Xeon");
    f.fact(1002, "cpu.model", "Xeon");
  });
  fleet.at(20, [](Fleet& f) { f.start(0, "v2"); });
  fleet.run_until(30);
  ASSERT_FALSE(fleet.fold().deploys().empty());
  EXPECT_TRUE(deploy_of(fleet).drift.empty());
}

}  // namespace
}  // namespace serin::sim
