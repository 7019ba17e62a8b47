#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "aggregator/core/judge/battery.h"
#include "world.h"

namespace serin::judge {
namespace {

using test::Rng;
using Worse = BusinessCounter::Worse;
using Entry = std::pair<std::string_view, double>;

struct Shop {
  uint32_t hosts = 20;
  double rate = 40;
  double orders = 0.3;  ///< per request
  bool items =
      false;  ///< a counter of its own: three times as many as orders, any number a request
  double amount =
      0;  ///< above 0: what is counted is money, so much an order, from cents to thousands
  double inflation = 1;
  double canary = 1;   ///< factor on the canary's
  double appears = 0;  ///< per request of the canary's, beside that
};

class Trade : public test::OneCanary {
 public:
  Trade(const Shop& shop, uint64_t seed) : shop_(shop), rng_(seed) {
    for (uint32_t h = 0; h < shop.hosts; ++h) level_.push_back(.05 * test::normal(rng_));
  }

  /// What fires within `seconds`, and when.
  std::pair<std::string, double> judge(Worse worse, double seconds) {
    Options options;
    options.inflation = shop_.inflation;
    options.business = {{.name = "orders", .worse = worse},
                        {.name = "refunds", .worse = Worse::higher}};
    return watch(options, history(), shop_.hosts, seconds, [&](uint32_t h, double age, double) {
      auto [n, x] = draw(h, 1, h == 0 ? shop_.canary : 1);
      if (h == 0 && shop_.appears > 0) {
        x += static_cast<double>(test::binomial(rng_, n, shop_.appears));
      }
      HostStep step{.host = h, .age_seconds = age, .requests = n};
      step.business = std::span(&entries_.emplace_back("orders", x), 1);
      return step;
    });
  }

 private:
  std::pair<uint64_t, double> draw(uint32_t h, double dt, double factor) {
    const uint64_t n = test::poisson(rng_, shop_.rate * dt);
    const double share = shop_.orders * std::exp(level_[h]) * factor;
    const double count = static_cast<double>(n);
    if (shop_.amount > 0) {
      double money = 0;
      for (uint64_t i = test::poisson(rng_, count * share); i > 0; --i) {
        money += shop_.amount * std::exp(1.2 * test::normal(rng_) - .72);
      }
      return {n, std::floor(money)};
    }
    if (shop_.items) return {n, static_cast<double>(test::poisson(rng_, 10 * count * share))};
    return {n, static_cast<double>(test::binomial(rng_, n, share))};
  }

  std::vector<HostHistory> history() {
    std::vector<HostHistory> out;
    for (uint32_t h = 0; h < shop_.hosts; ++h) {
      HostHistory& host = out.emplace_back();
      host.host = h;
      host.canary = h == 0;
      for (int b = 0; b < 60; ++b) {
        const auto [n, x] = draw(h, 10, 1);
        entries_.emplace_back("orders", x);
        host.blocks.push_back(
            {.index = b, .requests = n, .business = std::span(&entries_.back(), 1)});
      }
    }
    return out;
  }

  Shop shop_;
  Rng rng_;
  std::vector<double> level_;
  std::deque<Entry> entries_;
};

// Orders that are charged twice: nobody has ever seen one.
TEST(Business, WhatHurtsAndNeverHappenedBeforeIsFound) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Trade trade({.hosts = 8, .rate = 50, .orders = 0, .appears = .01}, seed);
    const auto [metric, seconds] = trade.judge(Worse::higher, 300);
    EXPECT_EQ(metric, "orders") << seed;
    EXPECT_LT(seconds, 90) << seed;
  }
}

TEST(Business, WhatHurtsAndNeverHappensIsNoFinding) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Trade trade({.hosts = 8, .rate = 50, .orders = 0}, seed);
    EXPECT_EQ(trade.judge(Worse::higher, 300).first, "") << seed;
  }
}

TEST(Business, HalfOfTheOrdersMissingIsFound) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Trade trade({.canary = .5}, seed);
    EXPECT_EQ(trade.judge(Worse::lower, 300).first, "orders") << seed;
    ASSERT_TRUE(trade.last.effect && trade.last.canary && trade.last.effect_low);
    EXPECT_NEAR(*trade.last.effect, .5, .12);
    EXPECT_LT(*trade.last.effect_low, *trade.last.effect);
    EXPECT_LT(*trade.last.canary, *trade.last.baseline);
  }
}

TEST(Business, WhatIsNotSaidToHurtDoesNot) {
  EXPECT_EQ(Trade({.canary = .5}, 1).judge(Worse::higher, 200).first, "");
  EXPECT_EQ(Trade({.canary = 1.8}, 1).judge(Worse::lower, 200).first, "");
  EXPECT_EQ(Trade({.canary = 1.8}, 1).judge(Worse::higher, 300).first, "orders");
}

TEST(Business, BothDirectionsCanHurt) {
  EXPECT_EQ(Trade({.canary = .5}, 2).judge(Worse::both, 300).first, "orders");
  EXPECT_EQ(Trade({.canary = 1.8}, 2).judge(Worse::both, 300).first, "orders");
}

TEST(Business, ACounterAboveTheRequestsIsJudgedByItsOwnTotal) {
  Trade few({.items = true, .canary = .4}, 3);
  EXPECT_EQ(few.judge(Worse::lower, 300).first, "orders");
  ASSERT_TRUE(few.last.effect);
  EXPECT_NEAR(*few.last.effect, .4, .12);
  EXPECT_NEAR(*few.last.baseline, 3, .5);
  EXPECT_EQ(Trade({.items = true, .canary = 2}, 3).judge(Worse::higher, 300).first, "orders");
  EXPECT_EQ(Trade({.items = true, .canary = 2}, 3).judge(Worse::lower, 200).first, "");
}

// An order of a thousand is one order, not a thousand facts.
TEST(Business, AmountsAreNotTakenForCounts) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Trade healthy({.hosts = seed % 2 ? 6u : 20u, .amount = 40, .inflation = 20}, seed);
    EXPECT_EQ(healthy.judge(seed % 3 ? Worse::both : Worse::lower, 200).first, "") << seed;
  }
  int found = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Trade half({.amount = 40, .canary = .4}, seed);
    found += half.judge(Worse::lower, 300).first == "orders";
    EXPECT_NEAR(half.last.baseline.value_or(12), 12, 2);
  }
  EXPECT_GE(found, 9);
}

TEST(Business, AHealthyReleaseKeepsItsOrders) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Trade trade({.hosts = seed % 2 ? 6u : 20u, .items = seed % 3 == 0}, seed);
    EXPECT_EQ(trade.judge(seed % 5 == 0 ? Worse::both : Worse::lower, 150).first, "") << seed;
    const auto& f = trade.findings;
    EXPECT_TRUE(
        std::any_of(f.begin(), f.end(), [](const auto& x) { return x.metric == "orders"; }));
    // Never seen in the past: neither judged nor given alpha.
    EXPECT_FALSE(
        std::any_of(f.begin(), f.end(), [](const auto& x) { return x.metric == "refunds"; }));
  }
}

}  // namespace
}  // namespace serin::judge
