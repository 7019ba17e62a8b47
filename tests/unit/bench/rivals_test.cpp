#include "bench/judge/rivals.h"

#include <gtest/gtest.h>

namespace serin::bench {
namespace {

TEST(Rivals, MannAndWhitneyAsInKayenta) {  // answers of a copy in another language
  EXPECT_FALSE(mann_whitney_high({1, 2, 3, 4, 5}, {0, 1, 2, 3, 4}));
  EXPECT_TRUE(mann_whitney_high({2.1, 2.0, 2.2, 2.3, 2.15}, {1.0, 1.1, 1.05, .9, 1.2}));
  EXPECT_FALSE(mann_whitney_high({5, 6, 7, 8, 9, 3}, {1, 2, 3, 4, 2.5, 7}));
}

Cohort cohort(uint64_t requests, uint64_t errors, double seconds) {
  Cohort c{.requests = requests, .errors = errors};
  c.latency.record(seconds, requests);
  return c;
}

Rivals::Times after(double seconds, const Cohort& canary) {
  Rivals rivals(seconds);
  for (double s = 0; s < seconds; ++s) rivals.second(canary, cohort(1000, 1, 0.05));
  return rivals.times();
}

TEST(Rivals, EqualCohortsAreLeftAlone) {
  const auto times = after(1800, cohort(1000, 1, 0.05));
  EXPECT_FALSE(times.kayenta_end || times.kayenta_peeked || times.flagger || times.argo || times.z);
}

TEST(Rivals, FixedLimitsFireAtTheirCounts) {
  const auto times = after(1800, cohort(100, 10, 0.05));
  EXPECT_EQ(times.flagger, 300);
  EXPECT_EQ(times.argo, 1200);  // the fourth failure: three are allowed
  EXPECT_EQ(times.z, 1);
  EXPECT_FALSE(after(900, cohort(100, 10, 0.05)).argo);
  EXPECT_EQ(after(600, cohort(100, 0, 0.9)).flagger, 300) << "a slow p99";
  EXPECT_FALSE(after(600, cohort(1000, 9, 0.05)).flagger) << "below its limit, however bad";
}

TEST(Rivals, KayentaLooksFromTheFifthMinuteAndAtTheEnd) {
  const auto times = after(900, cohort(100, 10, 0.05));
  EXPECT_EQ(times.kayenta_peeked, 300);
  EXPECT_EQ(times.kayenta_end, 900);
}

}  // namespace
}  // namespace serin::bench
