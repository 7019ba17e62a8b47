#include "aggregator/notify/schedule.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace serin::aggregator {
namespace {

TEST(RetrySchedule, DoublesFromASecondToAnHourWithinTwentyPercent) {
  const RetrySchedule schedule;
  uint64_t plain = 1000;
  for (int attempt = 1; attempt <= 20; ++attempt) {
    const uint64_t delay = schedule.delay_ms("effect", "chat", attempt);
    EXPECT_GE(delay, plain * 80 / 100) << attempt;
    EXPECT_LE(delay, plain * 120 / 100) << attempt;
    plain = std::min<uint64_t>(plain * 2, schedule.longest_ms);
  }
}

TEST(RetrySchedule, AllAttemptsTogetherCoverADay) {
  const RetrySchedule schedule;
  uint64_t total_ms = 0;
  for (int64_t attempt = 1; attempt < schedule.most_attempts; ++attempt) {
    total_ms += schedule.delay_ms("effect", "chat", attempt);
  }
  EXPECT_GT(total_ms, 20ULL * 3600 * 1000);
  EXPECT_LT(total_ms, 28ULL * 3600 * 1000);
}

TEST(RetrySchedule, IsTheSameInEveryRunAndDiffersBetweenMessages) {
  const RetrySchedule schedule;
  std::set<uint64_t> delays;
  for (int i = 0; i < 50; ++i) {
    const std::string effect = "effect-" + std::to_string(i);
    EXPECT_EQ(schedule.delay_ms(effect, "chat", 9), schedule.delay_ms(effect, "chat", 9));
    delays.insert(schedule.delay_ms(effect, "chat", 9));
  }
  EXPECT_GT(delays.size(), 20u) << "many messages do not come back at the same instant";
}

}  // namespace
}  // namespace serin::aggregator
