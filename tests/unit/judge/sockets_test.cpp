#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "aggregator/core/judge/alpha_budget.h"
#include "aggregator/core/judge/battery.h"
#include "aggregator/core/judge/placebo.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::normal;
using test::Rng;

/// Hosts that tell of their sockets; host 0 is the canary.
struct Wires {
  uint32_t hosts = 20;
  double rate = 40;
  double connections = 22;
  double noise = .15;  ///< log scale, with a memory of a minute
  std::function<double(double)> more = [](double) { return 0.0; };     ///< canary's, by age
  std::function<double(double)> traffic = [](double) { return 1.0; };  ///< of the fleet
  /// Connects that fail, a second: on the canary by its age, on every host by the time.
  std::function<double(double)> fails = [](double) { return 0.0; };
  std::function<double(double)> all_fail = [](double) { return 0.0; };
  double requests = 1;     ///< factor on the canary's
  bool overflows = false;  ///< it is the accept queue that fails
  bool told = true;
};

class Watch : public test::OneCanary {
 public:
  Watch(const Wires& wires, uint64_t seed) : w_(wires), rng_(seed) {
    for (uint32_t h = 0; h < w_.hosts; ++h) {
      level_.push_back(.25 * normal(rng_));
      noise_.push_back(w_.noise * normal(rng_));
    }
  }

  std::vector<HostHistory> history() {
    std::vector<HostHistory> out;
    for (uint32_t h = 0; h < w_.hosts; ++h) {
      HostHistory& host = out.emplace_back();
      host.host = h;
      host.canary = h == 0;
      for (int b = 0; b < 60; ++b) {
        const HostStep s = sample(h, 10, 1e6, false);
        host.blocks.push_back({.index = b,
                               .requests = s.requests,
                               .connections = s.connections,
                               .failed_connects = s.failed_connects,
                               .accept_overflows = s.accept_overflows});
      }
    }
    return out;
  }

  /// What fires within `seconds`, and when.
  std::pair<std::string, double> judge(double seconds, const Options& options = {.inflation = 10}) {
    return watch(options, history(), w_.hosts, seconds, [this](uint32_t h, double age, double t) {
      now_ = t;
      return sample(h, 1, age, true);
    });
  }

 private:
  HostStep sample(uint32_t h, double dt, double age, bool watch) {
    const double keep = std::exp(-dt / 60);
    noise_[h] = keep * noise_[h] + w_.noise * std::sqrt(1 - keep * keep) * normal(rng_);
    const bool canary = watch && h == 0;
    const double load = watch ? w_.traffic(now_) : 1;
    HostStep s{.host = h, .age_seconds = age};
    s.requests = test::poisson(rng_, w_.rate * load * dt * (canary ? w_.requests : 1));
    if (!w_.told) return s;
    s.connections =
        std::round(w_.connections * std::pow(load, .6) * std::exp(level_[h] + noise_[h]) +
                   (canary ? w_.more(age) : 0));
    const double failing = watch ? w_.all_fail(now_) + (canary ? w_.fails(age) : 0) : 0;
    (w_.overflows ? s.accept_overflows : s.failed_connects) =
        static_cast<double>(test::poisson(rng_, failing * dt));
    return s;
  }

  Wires w_;
  Rng rng_;
  std::vector<double> level_, noise_;
  double now_ = 0;
};

TEST(Connections, APoolThatLeaksIsFound) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Watch run({.more = [](double age) { return .5 * age; }}, seed);
    const auto [metric, at] = run.judge(400);
    EXPECT_EQ(metric, "connections") << seed;
    EXPECT_LE(at, 240) << seed;
    EXPECT_EQ(run.last.process, "LEVEL");
    EXPECT_GT(*run.last.canary, *run.last.baseline);
    ASSERT_TRUE(run.last.effect);
    EXPECT_GT(*run.last.effect, 1.5);
  }
}

TEST(Connections, WhereThereWereNoneTheirNumberIsALevelToo) {
  Watch none({.connections = 0}, 1);
  EXPECT_EQ(none.judge(200).first, "");
  ASSERT_NE(none.found("connections"), nullptr);
  EXPECT_EQ(none.found("connections")->canary, 0);
  EXPECT_FALSE(none.found("connections")->effect) << "of nothing there is no multiple";
  EXPECT_EQ(Watch({.connections = 0, .more = [](double) { return 100.0; }}, 1).judge(200).first,
            "connections");
}

TEST(Connections, AFewMoreAreNobodysProblem) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Watch run({.connections = 2, .noise = 0, .more = [](double) { return 3.0; }}, seed);
    EXPECT_EQ(run.judge(600).first, "") << seed;
  }
}

TEST(Connections, WhatThePolicyForgivesIsForgiven) {
  const Wires twice{.connections = 100, .more = [](double) { return 100.0; }};
  EXPECT_EQ(Watch(twice, 1).judge(300).first, "connections");
  EXPECT_EQ(Watch(twice, 1).judge(600, {.inflation = 10, .connections = 1.5}).first, "");
}

TEST(Connections, ThatFollowTheTrafficOfTheFleetFireNothing) {
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    Watch run({.hosts = seed % 2 ? 20U : 6U,
               .traffic = [](double t) { return 1 + .6 * std::sin(t / 90); }},
              seed);
    EXPECT_EQ(run.judge(600).first, "") << seed;
  }
}

TEST(FailedConnects, APartnerThatFailsTheNewVersionIsFound) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Watch run({.hosts = 6, .fails = [](double) { return 10.0; }}, seed);
    const auto [metric, at] = run.judge(400);
    EXPECT_EQ(metric, "failed_connects") << seed;
    EXPECT_GT(at, 60) << "pools may be filled first";
    EXPECT_LE(at, 330) << seed;
    EXPECT_NEAR(*run.last.canary, 10 / 40., .05) << "all of them are told";
    EXPECT_EQ(run.last.baseline, 0);
  }
}

// Who waits for a connection answers nobody.
TEST(FailedConnects, AreHeardOfAHostThatFinishesNoRequest) {
  Watch run({.hosts = 6, .fails = [](double) { return 10.0; }, .requests = 0}, 1);
  EXPECT_EQ(run.judge(400).first, "failed_connects");
}

TEST(FailedConnects, ATrickleIsFoundLater) {
  Watch run({.fails = [](double) { return 2.0; }}, 3);
  EXPECT_EQ(run.judge(600).first, "failed_connects");
}

TEST(FailedConnects, OfTheWholeFleetAreNobodysRelease) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Watch run({.hosts = seed % 2 ? 20U : 6U,
               .all_fail = [](double t) { return t > 100 && t < 300 ? 30.0 : 0; }},
              seed);
    EXPECT_EQ(run.judge(600).first, "") << seed;
  }
}

TEST(FailedConnects, ABurstOnOneHostIsNobodysRelease) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Watch run({.fails = [](double age) { return age >= 100 && age < 150 ? 500.0 : 0; }}, seed);
    EXPECT_EQ(run.judge(300).first, "") << seed;
  }
}

TEST(FailedConnects, WhileThePoolIsFilledAreForgiven) {
  Watch run({.fails = [](double age) { return age < 55 ? 200.0 : 0; }}, 1);
  EXPECT_EQ(run.judge(300).first, "");
  Watch young({}, 1);
  young.judge(50);
  ASSERT_NE(young.found("failed_connects"), nullptr);
  EXPECT_EQ(young.found("failed_connects")->judged_from_seconds, 60);
}

TEST(AcceptOverflows, OfTheNewVersionAreFound) {
  EXPECT_EQ(Watch({.fails = [](double) { return 5.0; }, .overflows = true}, 2).judge(300).first,
            "accept_overflows");
}

TEST(Sockets, ThatNobodyTellsOfTakeNoAlpha) {
  Present present{};
  present.fill(true);
  for (const Share share : {Share::connections, Share::failed_connects, Share::accept_overflows}) {
    present[static_cast<size_t>(share)] = false;
  }
  const auto alpha = alpha_budget({.inflation = 1}, present);
  EXPECT_NEAR(alpha[static_cast<size_t>(Share::errors)], .003, 1e-12);
  Watch run({.told = false}, 1);
  run.judge(100);
  EXPECT_EQ(run.found("connections"), nullptr);
  EXPECT_EQ(run.found("failed_connects"), nullptr);
}

TEST(AlphaBudget, IsTheWholeWhateverIsPresent) {
  for (unsigned set = 1; set < 1U << kShares; set += 37) {
    Present present{};
    bool any = false;
    for (size_t i = 0; i < kShares; ++i) {
      present[i] = (set >> i & 1) != 0;
      any |= present[i] && i != static_cast<size_t>(Share::restarts);
    }
    if (!any) continue;
    double sum = 0;
    for (const double alpha : alpha_budget({.inflation = 1}, present)) sum += alpha;
    EXPECT_NEAR(sum, .01, 1e-12) << set;
  }
}

TEST(Sockets, OfUntouchedHostsAreJudgedAsPlacebos) {
  Watch fleet({.hosts = 8}, 5);
  const auto past = fleet.history();
  PlaceboRound round({.window_seconds = 100}, past, {0, 1, 2});
  std::vector<std::string> tried;
  for (size_t step = 40; step < 60; ++step) {
    std::vector<HostStep> steps;
    for (const HostHistory& host : past) {
      const auto& block = host.blocks[step];
      steps.push_back({.host = host.host,
                       .requests = block.requests,
                       .connections = block.connections,
                       .failed_connects = block.failed_connects});
    }
    round.step(steps);
    for (const PlaceboRun& run : round.ended()) {
      for (const auto& metric : run.metrics) {
        tried.push_back(metric.name);
        EXPECT_FALSE(metric.fired_step) << metric.name;
      }
    }
  }
  EXPECT_EQ(std::ranges::count(tried, "connections"), 3);
  EXPECT_EQ(std::ranges::count(tried, "failed_connects"), 3);
}

}  // namespace
}  // namespace serin::judge
