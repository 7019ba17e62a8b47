#include "bench/judge/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

namespace serin::bench {
namespace {

// Pearson's statistic against exact probabilities, cells of at least 20 expected.
void expect_law(const std::map<uint64_t, int>& seen, int draws,
                const std::function<double(uint64_t)>& probability, uint64_t up_to) {
  double chi = 0, cells = 0, expected = 0, got = 0;
  for (uint64_t k = 0; k <= up_to; ++k) {
    expected += draws * probability(k);
    got += seen.contains(k) ? seen.at(k) : 0;
    if (expected < 20) continue;
    chi += (got - expected) * (got - expected) / expected;
    cells += 1;
    expected = got = 0;
  }
  EXPECT_LT(std::fabs(chi - cells), 5 * std::sqrt(2 * cells) + 5) << cells << " cells";
}

TEST(Random, SeedsGiveTheStreamsOfTheReference) {
  Rng rng(7);  // xoshiro256++ seeded through splitmix64, by a copy in another language
  EXPECT_EQ(rng.bits(), 0x0e2c1a002aae913du);
  EXPECT_EQ(rng.bits(), 0x2c0fc8ddfa4e9e14u);
  EXPECT_EQ(rng.bits(), 0xb7b311b3b0d45872u);
}

TEST(Random, PoissonFollowsItsLawOnBothSidesOfTheSwitch) {
  Rng rng(1);
  for (const double mean : {0.02, 3.0, 9.9, 10.1, 60.0, 1500.0}) {
    std::map<uint64_t, int> seen;
    constexpr int kDraws = 40000;
    for (int i = 0; i < kDraws; ++i) ++seen[rng.poisson(mean)];
    const auto law = [&](uint64_t k) {
      const double x = static_cast<double>(k);
      return std::exp(x * std::log(mean) - mean - std::lgamma(x + 1));
    };
    SCOPED_TRACE(mean);
    expect_law(seen, kDraws, law, static_cast<uint64_t>(mean + 10 * std::sqrt(mean) + 10));
  }
}

TEST(Random, BinomialFollowsItsLaw) {
  Rng rng(2);
  const std::pair<uint64_t, double> laws[] = {
      {8, 0.3}, {90, 0.1}, {150, 0.1}, {1000, 0.95}, {1000000, 0.001}};
  for (const auto& [n, p] : laws) {
    std::map<uint64_t, int> seen;
    constexpr int kDraws = 40000;
    for (int i = 0; i < kDraws; ++i) ++seen[rng.binomial(n, p)];
    const auto law = [&, n = n, p = p](uint64_t k) {
      const double x = static_cast<double>(k), all = static_cast<double>(n);
      return std::exp(std::lgamma(all + 1) - std::lgamma(x + 1) - std::lgamma(all - x + 1) +
                      x * std::log(p) + (all - x) * std::log1p(-p));
    };
    SCOPED_TRACE(testing::Message() << n << " " << p);
    expect_law(seen, kDraws, law, std::min<uint64_t>(n, 2000));
  }
}

TEST(Random, NormalHasItsMoments) {
  Rng rng(3);
  double sum = 0, square = 0, fourth = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double z = rng.normal();
    sum += z / kDraws;
    square += z * z / kDraws;
    fourth += z * z * z * z / kDraws;
  }
  EXPECT_NEAR(sum, 0, 0.016);
  EXPECT_NEAR(square, 1, 0.023);
  EXPECT_NEAR(fourth, 3, 0.16);
}

}  // namespace
}  // namespace serin::bench
