#include "common/exp_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace serin {
namespace {

constexpr double kSmallest = 1e-6;
constexpr double kLargest = 1.2e5;

void expect_in_its_bucket(double x) {
  const int32_t index = ExpHistogram::index_of(x);
  if (index > ExpHistogram::kMinIndex) {
    EXPECT_LT(ExpHistogram::upper_bound(index - 1), x) << std::hexfloat << x;
  }
  if (index < ExpHistogram::kMaxIndex) {
    EXPECT_GE(ExpHistogram::upper_bound(index), x) << std::hexfloat << x;
  }
}

TEST(ExpHistogram, AnyValueLiesInsideItsBucket) {
  std::mt19937_64 random(20261120);
  std::uniform_real_distribution<double> log_value(std::log(kSmallest), std::log(kLargest));
  for (int i = 0; i < 200'000; ++i) expect_in_its_bucket(std::exp(log_value(random)));
}

TEST(ExpHistogram, EveryEdgeBelongsToTheBucketItEnds) {
  for (int32_t i = ExpHistogram::kMinIndex; i <= ExpHistogram::kMaxIndex; ++i) {
    const double edge = ExpHistogram::upper_bound(i);
    EXPECT_EQ(ExpHistogram::index_of(edge), i);
    const int32_t next = std::min(i + 1, ExpHistogram::kMaxIndex);
    EXPECT_EQ(ExpHistogram::index_of(std::nextafter(edge, 1e300)), next);
    EXPECT_EQ(ExpHistogram::index_of(std::nextafter(edge, 0)), i);
  }
}

TEST(ExpHistogram, PowersOfTwoAreExactEdges) {
  for (int power = -19; power <= 17; ++power) {
    const double x = std::ldexp(1.0, power);
    EXPECT_EQ(ExpHistogram::index_of(x), power * 8 - 1);
    EXPECT_EQ(ExpHistogram::upper_bound(power * 8 - 1), x);
  }
}

TEST(ExpHistogram, EdgesAreThoseOfTheDefinition) {
  for (int32_t i = ExpHistogram::kMinIndex - 1; i <= ExpHistogram::kMaxIndex; ++i) {
    const double expected = std::exp2((i + 1) / 8.0);
    EXPECT_NEAR(ExpHistogram::upper_bound(i), expected, expected * 1e-15);
  }
}

TEST(ExpHistogram, WhatIsNoTimeOrOutOfRangeGoesToTheEnds) {
  EXPECT_EQ(ExpHistogram::index_of(0), ExpHistogram::kMinIndex);
  EXPECT_EQ(ExpHistogram::index_of(-1), ExpHistogram::kMinIndex);
  EXPECT_EQ(ExpHistogram::index_of(std::nan("")), ExpHistogram::kMinIndex);
  EXPECT_EQ(ExpHistogram::index_of(std::numeric_limits<double>::denorm_min()),
            ExpHistogram::kMinIndex);
  EXPECT_EQ(ExpHistogram::index_of(1e-9), ExpHistogram::kMinIndex);
  EXPECT_EQ(ExpHistogram::index_of(1e9), ExpHistogram::kMaxIndex);
  EXPECT_EQ(ExpHistogram::index_of(std::numeric_limits<double>::infinity()),
            ExpHistogram::kMaxIndex);
}

/// Whatever was done: the counts are trimmed and add up.
void expect_tidy(const ExpHistogram& histogram) {
  uint64_t sum = 0;
  for (const uint64_t count : histogram.counts()) sum += count;
  EXPECT_EQ(sum, histogram.total());
  if (histogram.empty()) {
    EXPECT_TRUE(histogram.counts().empty());
    EXPECT_EQ(histogram.offset(), 0);
    return;
  }
  EXPECT_NE(histogram.counts().front(), 0u);
  EXPECT_NE(histogram.counts().back(), 0u);
  EXPECT_GE(histogram.offset(), ExpHistogram::kMinIndex);
  EXPECT_LE(histogram.offset() + static_cast<int>(histogram.counts().size()) - 1,
            ExpHistogram::kMaxIndex);
}

std::vector<double> some_values(std::mt19937_64& random) {
  std::lognormal_distribution<double> value(std::log(0.05), 3.0);
  std::vector<double> values(random() % 60);
  for (double& x : values) x = value(random);
  return values;
}

TEST(ExpHistogram, MergingIsTheSameAsRecordingEverything) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    ExpHistogram a, b, all;
    for (const double x : some_values(random)) a.record(x), all.record(x);
    for (const double x : some_values(random)) b.record(x), all.record(x);
    ExpHistogram ab = a, ba = b;
    ab.merge(b);
    ba.merge(a);
    EXPECT_EQ(ab, all);
    EXPECT_EQ(ba, all);
    expect_tidy(ab);
  }
}

TEST(ExpHistogram, MergingWithItselfDoubles) {
  ExpHistogram histogram;
  histogram.record(0.1, 3);
  histogram.record(2.0, 4);
  histogram.merge(histogram);
  EXPECT_EQ(histogram.total(), 14u);
  EXPECT_EQ(histogram.at(ExpHistogram::index_of(0.1)), 6u);
  EXPECT_EQ(histogram.at(ExpHistogram::index_of(2.0)), 8u);
}

TEST(ExpHistogram, PartsGiveTheSameHistogramBack) {
  std::mt19937_64 random(8);
  for (int round = 0; round < 500; ++round) {
    ExpHistogram made;
    for (const double x : some_values(random)) made.record(x);
    const auto back = ExpHistogram::from_parts(3, made.offset(), made.counts());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, made);
  }
}

TEST(ExpHistogram, EmptyEndsOfPartsAreTrimmed) {
  const std::vector<uint64_t> counts = {0, 0, 5, 0, 7, 0};
  const auto made = ExpHistogram::from_parts(3, -10, counts);
  ASSERT_TRUE(made);
  expect_tidy(*made);
  EXPECT_EQ(made->offset(), -8);
  EXPECT_EQ(made->counts().size(), 3u);
  EXPECT_EQ(made->at(-6), 7u);
  EXPECT_EQ(made->at(-7), 0u);
  EXPECT_EQ(made->at(-5), 0u);
  EXPECT_EQ(made->at(std::numeric_limits<int32_t>::min()), 0u);
  EXPECT_EQ(made->at(std::numeric_limits<int32_t>::max()), 0u);

  const std::vector<uint64_t> nothing = {0, 0};
  const auto empty = ExpHistogram::from_parts(3, 4, nothing);
  ASSERT_TRUE(empty);
  EXPECT_EQ(*empty, ExpHistogram());
}

TEST(ExpHistogram, ForeignPartsAreRefused) {
  const std::vector<uint64_t> one = {1};
  const std::vector<uint64_t> range(297, 1);
  const std::vector<uint64_t> too_many(298, 1);
  const std::vector<uint64_t> wrapping = {~uint64_t{0}, 2};
  const std::vector<uint64_t> sum_too_large = {uint64_t{1} << 48, 1};
  EXPECT_FALSE(ExpHistogram::from_parts(4, 0, one));
  EXPECT_FALSE(ExpHistogram::from_parts(2, 0, {}));
  EXPECT_FALSE(ExpHistogram::from_parts(3, ExpHistogram::kMinIndex - 1, one));
  EXPECT_FALSE(ExpHistogram::from_parts(3, ExpHistogram::kMaxIndex + 1, one));
  EXPECT_FALSE(ExpHistogram::from_parts(3, std::numeric_limits<int32_t>::max(), one));
  EXPECT_FALSE(ExpHistogram::from_parts(3, std::numeric_limits<int32_t>::min(), one));
  EXPECT_FALSE(ExpHistogram::from_parts(3, ExpHistogram::kMinIndex, too_many));
  EXPECT_FALSE(ExpHistogram::from_parts(3, ExpHistogram::kMinIndex + 1, range));
  EXPECT_FALSE(ExpHistogram::from_parts(3, 0, wrapping));
  EXPECT_FALSE(ExpHistogram::from_parts(3, 0, sum_too_large));
  EXPECT_TRUE(ExpHistogram::from_parts(3, ExpHistogram::kMinIndex, range));
}

TEST(ExpHistogram, RecordingNothingChangesNothing) {
  ExpHistogram histogram;
  histogram.record(1.0, 0);
  EXPECT_EQ(histogram, ExpHistogram());
  histogram.record(1.0, 2);
  histogram.clear();
  EXPECT_EQ(histogram, ExpHistogram());
  expect_tidy(histogram);
}

TEST(ExpHistogram, AQuantileIsWithinABucketOfTheTruth) {
  std::mt19937_64 random(9);
  std::lognormal_distribution<double> value(std::log(0.05), 1.0);
  std::vector<double> values(10'000);
  ExpHistogram histogram;
  for (double& x : values) histogram.record(x = value(random));
  std::sort(values.begin(), values.end());
  const double bucket = std::exp2(1.0 / 8);
  double last = 0;
  for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const double truth = values[static_cast<size_t>(q * 10'000) - 1];
    const double found = histogram.quantile(q);
    EXPECT_LT(found, truth * bucket * bucket) << q;
    EXPECT_GT(found * bucket * bucket, truth) << q;
    EXPECT_GT(found, last);
    last = found;
  }
}

TEST(ExpHistogram, QuantilesStayWithinWhatWasRecorded) {
  ExpHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0);
  histogram.record(1.0, 10);
  EXPECT_EQ(histogram.quantile(0), ExpHistogram::upper_bound(-2));
  EXPECT_EQ(histogram.quantile(1), 1.0);
  EXPECT_EQ(histogram.quantile(7), 1.0);
  EXPECT_EQ(histogram.quantile(-7), ExpHistogram::upper_bound(-2));
  EXPECT_NEAR(histogram.quantile(0.5), std::exp2(-1.0 / 16), 1e-12);
  EXPECT_EQ(histogram.quantile(std::nan("")), ExpHistogram::upper_bound(-2));
}

TEST(ExpHistogram, CountsWhatLiesAboveABucket) {
  ExpHistogram histogram;
  EXPECT_EQ(histogram.above(0), 0U);
  histogram.record(0.010, 5);
  histogram.record(0.100, 3);
  histogram.record(1.000, 2);
  EXPECT_EQ(histogram.above(ExpHistogram::kMinIndex), 10U);
  EXPECT_EQ(histogram.above(ExpHistogram::index_of(0.010)), 5U);
  EXPECT_EQ(histogram.above(ExpHistogram::index_of(0.100) - 1), 5U);
  EXPECT_EQ(histogram.above(ExpHistogram::index_of(0.100)), 2U);
  EXPECT_EQ(histogram.above(ExpHistogram::index_of(1.000)), 0U);
  EXPECT_EQ(histogram.above(ExpHistogram::kMaxIndex), 0U);
}

}  // namespace
}  // namespace serin
