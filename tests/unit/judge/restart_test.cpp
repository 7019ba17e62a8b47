#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "aggregator/core/judge/battery.h"

namespace serin::judge {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// Seconds until the restarts of `canaries` hosts fire, each ending every `gap` seconds.
double fires_at(int gap, uint32_t canaries, std::vector<HostHistory> history = {}) {
  Battery battery({.restarts = true}, std::move(history));
  std::vector<HostStep> canary, baseline;
  for (uint32_t h = 0; h < canaries; ++h) {
    battery.join(h, 0);
    canary.push_back({.host = h, .requests = 10});
  }
  for (uint32_t h = 0; h < 9; ++h)
    baseline.push_back({.host = 100 + h, .age_seconds = 1e6, .requests = 10});
  for (int t = 1; t <= 600; ++t) {
    for (auto& host : canary) host.unexpected_ends = t % gap == 0;
    battery.step(t, canary, baseline);
    if (battery.fired()) {
      EXPECT_EQ(battery.fired()->metric, "restarts");
      return t;
    }
  }
  return kNever;
}

TEST(Restarts, TheThirdCrashInAMinuteIsEnough) {
  EXPECT_LE(fires_at(20, 1), 60);
  EXPECT_LE(fires_at(5, 1), 15);
  EXPECT_LE(fires_at(20, 10), 40);
}

TEST(Restarts, OneCrashIsNotAndPassesStill) {
  EXPECT_EQ(fires_at(599, 1), kNever);
}

TEST(Restarts, WhatTheServiceAlwaysDoesIsNotTheReleasesFault) {
  std::vector<HostHistory> history(10);
  for (uint32_t h = 0; h < 10; ++h) {
    history[h].host = 100 + h;
    for (int b = 0; b < 60; ++b) {
      history[h].blocks.push_back(
          {.index = b, .requests = 100, .unexpected_ends = b % 6 == 0 ? 1u : 0u});
    }
  }
  EXPECT_EQ(fires_at(60, 1, history), kNever);  // one a minute, as ever
  EXPECT_LE(fires_at(60, 1), 240);
}

TEST(Restarts, ABaselineInAStormFiresNothing) {
  Battery battery({.restarts = true}, {});
  battery.join(0, 0);
  const std::vector<HostStep> canary = {{.host = 0, .requests = 10}};
  std::vector<HostStep> baseline(9);
  for (uint32_t h = 0; h < 9; ++h)
    baseline[h] = {.host = 100 + h, .requests = 10, .unexpected_ends = 1};
  for (int t = 1; t <= 300; ++t) battery.step(t, canary, baseline);
  EXPECT_FALSE(battery.fired());
}

TEST(Restarts, HaveTheirOwnAlphaWhateverTheInflation) {
  for (const double inflation : {1.0, 10.0}) {
    Battery battery({.inflation = inflation, .restarts = true}, {});
    battery.join(0, 0);
    const std::vector<HostStep> canary = {{.host = 0, .requests = 10}};
    std::vector<HostStep> baseline(9);
    for (uint32_t h = 0; h < 9; ++h) baseline[h] = {.host = 100 + h, .requests = 10};
    battery.step(1, canary, baseline);
    EXPECT_NEAR(battery.findings().back().threshold, -std::log(.0005), 1e-9);
  }
}

}  // namespace
}  // namespace serin::judge
