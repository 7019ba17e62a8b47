#include "bench/judge/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "bench/judge/trial.h"

namespace serin::bench {
namespace {

using judge::HostStep;

uint64_t slow_requests(std::span<const HostStep> steps) {
  const int32_t edge = ExpHistogram::index_of(0.1);
  uint64_t slow = 0;
  for (const HostStep& s : steps) {
    if (!s.latency) continue;
    const auto counts = s.latency->counts();
    for (size_t i = 0; i < counts.size(); ++i) {
      if (s.latency->offset() + static_cast<int32_t>(i) > edge) slow += counts[i];
    }
  }
  return slow;
}

struct Sums {
  double requests = 0, errors = 0, orders = 0, slow = 0;
};

Sums sums_of(std::span<const HostStep> steps) {
  Sums out{.slow = static_cast<double>(slow_requests(steps))};
  for (const HostStep& s : steps) {
    out.requests += static_cast<double>(s.requests);
    out.errors += static_cast<double>(s.errors);
    for (const auto& [name, value] : s.business) out.orders += value;
  }
  return out;
}

struct Moments {
  double n = 0, mean = 0, square = 0;
  void add(double x) {
    n += 1;
    const double before = x - mean;
    mean += before / n;
    square += before * (x - mean);
  }
  [[nodiscard]] double variance() const { return square / (n - 1); }
};

TEST(World, PooledBaselineIsDistributedLikeItsHosts) {
  Scene scene{.hosts = 9, .requests_per_host = 20, .history_seconds = 0};
  scene.nature.error_share = 0.05;
  scene.nature.missing = 0.1;
  std::map<std::string, Moments> seen[2];
  constexpr int kSeeds = 3000;
  for (const auto draw : {Scene::Baseline::pooled, Scene::Baseline::each_host}) {
    scene.baseline = draw;
    auto& moments = seen[draw == Scene::Baseline::pooled ? 0 : 1];
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      World world(scene, seed);
      world.next();
      const Sums s = sums_of(world.baseline());
      moments["requests"].add(s.requests);
      moments["errors"].add(s.errors);
      moments["orders"].add(s.orders);
      moments["slow"].add(s.slow);
      moments["errors with slow"].add((s.errors - 8) * (s.slow - 20));
      moments["errors with orders"].add((s.errors - 8) * (s.orders - 8));
    }
  }
  for (const auto& [name, a] : seen[0]) {
    const Moments& b = seen[1].at(name);
    EXPECT_NEAR(a.mean, b.mean, 4 * std::sqrt((a.variance() + b.variance()) / kSeeds)) << name;
    // The error of a variance, with room for tails that are heavier than normal.
    if (name.contains("with")) continue;
    EXPECT_NEAR(a.variance() / b.variance(), 1, 0.2) << name;
  }
}

// What the trick rests on: the judge looks at sums, and at who is there.
TEST(World, ASumOnOneHostTellsTheJudgeTheSameAsItsParts) {
  Scene scene{.hosts = 8, .history_seconds = 600, .watch_seconds = 200};
  scene.effect = {.errors = 2, .latency = 1.05, .onset_seconds = 60};
  scene.baseline = Scene::Baseline::each_host;
  World world(scene, 5);
  const auto past = world.history();
  judge::Battery parts(options_for(scene, 1), past), pooled(options_for(scene, 1), past);
  parts.join(0, 0);
  pooled.join(0, 0);
  while (world.at_seconds() < scene.watch_seconds) {
    world.next();
    parts.step(world.at_seconds(), world.canary(), world.baseline());
    std::vector<HostStep> rows(world.baseline().begin(), world.baseline().end());
    ExpHistogram latency;
    std::pair<std::string_view, double> orders{kOrders, 0};
    HostStep& sum = rows.front();
    for (HostStep& row : rows) {
      latency.merge(*row.latency);
      orders.second += row.business.front().second;
      if (&row == &sum) continue;
      sum.requests += row.requests;
      sum.errors += row.errors;
      row.requests = row.errors = 0;
      row.latency = nullptr;
      row.business = {};
    }
    sum.latency = &latency;
    sum.business = {&orders, 1};
    pooled.step(world.at_seconds(), world.canary(), rows);
  }
  const auto a = parts.findings(), b = pooled.findings();
  ASSERT_EQ(a.size(), b.size());
  int counted = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].metric == "cpu_per_request") continue;  // here the sum was not shared out
    EXPECT_NEAR(a[i].log_evidence, b[i].log_evidence, 1e-9) << a[i].metric;
    EXPECT_EQ(a[i].canary, b[i].canary) << a[i].metric;
    ++counted;
  }
  EXPECT_GE(counted, 8);
}

TEST(World, TheSameSeedIsTheSameWatch) {
  const Scene scene{.history_seconds = 60};
  for (const uint64_t seed : {3u, 4u}) {
    World a(scene, 3), b(scene, seed);
    a.history();
    b.history();
    bool same = true;
    for (int i = 0; i < 30; ++i) {
      a.next();
      b.next();
      same &= sums_of(a.baseline()).requests == sums_of(b.baseline()).requests;
    }
    EXPECT_EQ(same, seed == 3);
  }
}

TEST(World, AgentsThatTellOfSocketsChangeNothingElse) {
  Scene scene{.history_seconds = 60}, told = scene;
  told.nature.sockets = kUnevenSockets;
  World a(scene, 3), b(told, 3);
  EXPECT_FALSE(a.history().back().blocks.back().connections);
  const auto past = b.history();
  EXPECT_GT(past.back().blocks.back().connections, 5);
  EXPECT_TRUE(past.back().blocks.back().failed_connects);
  for (int second = 0; second < 30; ++second) {
    a.next();
    b.next();
    const Sums without = sums_of(a.baseline()), with = sums_of(b.baseline());
    EXPECT_EQ(without.requests, with.requests);
    EXPECT_EQ(without.errors, with.errors);
    EXPECT_EQ(without.slow, with.slow);
    for (const HostStep& s : b.baseline()) {
      EXPECT_TRUE(s.failed_connects && s.accept_overflows);
      EXPECT_EQ(s.connections.has_value(), second % 10 == 5);
    }
  }
}

TEST(World, SizesComeOnceInTenSecondsAndTheSumStaysWhole) {
  const Scene scene{.hosts = 12, .history_seconds = 60};
  World world(scene, 1);
  world.history();
  for (int second = 0; second < 40; ++second) {
    world.next();
    uint64_t requests = 0, latencies = 0;
    for (const HostStep& s : world.baseline()) {
      requests += s.requests;
      latencies += s.latency ? s.latency->total() : 0;
      EXPECT_LE(s.errors, s.requests);
      EXPECT_EQ(s.rss_bytes.has_value(), second % 10 == 5);
      EXPECT_EQ(s.cpu_seconds.value_or(0) > 0, second % 10 == 5);
    }
    EXPECT_EQ(requests, latencies);
  }
}

/// Mean log ratio of canary to baseline shares over seeds, in a span of seconds.
double errors_ratio(Scene scene, double from, double to) {
  scene.nature.missing = 0;
  scene.nature.error_share = 0.02;
  scene.watch_seconds = to;
  double canary = 0, baseline = 0, canary_requests = 0, baseline_requests = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    World world(scene, seed);
    world.history();
    while (world.at_seconds() < to) {
      world.next();
      if (world.at_seconds() <= from) continue;
      const Sums c = sums_of(world.canary()), b = sums_of(world.baseline());
      canary += c.errors;
      canary_requests += c.requests;
      baseline += b.errors;
      baseline_requests += b.requests;
    }
  }
  return canary / canary_requests / (baseline / baseline_requests);
}

TEST(World, OnlyTheCanaryWarmsUp) {
  Scene scene{.nature = kHomogeneous, .hosts = 8, .requests_per_host = 500, .history_seconds = 10};
  EXPECT_NEAR(errors_ratio(scene, 0, 5), 1, 0.05);
  scene.nature.errors = {.warmup = 0.7, .warmup_seconds = 15};
  scene.nature.warmup_varies = 0;
  EXPECT_NEAR(errors_ratio(scene, 0, 5), std::exp(0.7 * std::exp(-2.0 / 15)), 0.09);
  EXPECT_NEAR(errors_ratio(scene, 95, 100), 1, 0.05);
}

TEST(World, AnEffectSetsInAtItsOnset) {
  Scene scene{.nature = kHomogeneous, .hosts = 8, .requests_per_host = 500, .history_seconds = 10};
  scene.effect = {.errors = 3, .onset_seconds = 20};
  EXPECT_NEAR(errors_ratio(scene, 10, 20), 1, 0.05);
  EXPECT_NEAR(errors_ratio(scene, 20, 30), 3, 0.12);
}

TEST(World, AnIncidentHitsTheWholeFleetForTwoMinutes) {
  Scene scene{.nature = kHomogeneous, .hosts = 6, .requests_per_host = 300, .history_seconds = 10};
  scene.nature.incidents = 1;
  scene.watch_seconds = 400;
  World world(scene, 9);
  world.history();
  int seconds = 0;
  while (world.at_seconds() < scene.watch_seconds) {
    world.next();
    const Sums b = sums_of(world.baseline());
    if (b.errors / b.requests > 0.005) ++seconds;
  }
  EXPECT_NEAR(seconds, 120, 3);
}

TEST(World, HistoryShowsWhatTheHostsAreLike) {
  const Scene scene{.hosts = 60, .requests_per_host = 1000, .history_seconds = 600};
  World world(scene, 2);
  const auto past = world.history();
  ASSERT_EQ(past.size(), 60u);
  EXPECT_TRUE(past[0].canary);
  EXPECT_FALSE(past[1].canary);
  Moments errors, orders, rss;
  for (const auto& host : past) {
    ASSERT_EQ(host.blocks.size(), 60u);
    double n = 0, bad = 0, bought = 0;
    for (const auto& b : host.blocks) {
      EXPECT_EQ(b.latency->total(), b.requests);
      n += static_cast<double>(b.requests);
      bad += static_cast<double>(b.errors);
      bought += b.business.front().second;
    }
    errors.add(std::log(bad / n));
    orders.add(std::log(bought / n));
    rss.add(std::log(*host.blocks.back().rss_bytes));
  }
  EXPECT_NEAR(std::sqrt(errors.variance()), 0.21, 0.06);
  EXPECT_NEAR(std::sqrt(orders.variance()), 0.055, 0.016);
  EXPECT_NEAR(std::sqrt(rss.variance()), 0.055, 0.016);
}

}  // namespace
}  // namespace serin::bench
