#include "agent/sampler/cut_off.h"

#include <gtest/gtest.h>

namespace serin::agent {
namespace {

constexpr uint64_t kSecond = 1'000'000;

/// Seconds at which it hints, of those from 1 to `last`.
class CutOffTest : public testing::Test {
 protected:
  std::vector<uint64_t> hints(uint64_t last) {
    std::vector<uint64_t> at;
    for (uint64_t second = 1; second <= last; ++second) {
      seen.now_us = second * kSecond;
      if (acknowledges) ++seen.uplink.acked;
      if (cut_off.observe(seen)) at.push_back(second);
    }
    return at;
  }
  CutOff cut_off{600};
  CutOff::Seen seen{.now_us = 0, .uplink = {}, .version_age_us = 60 * kSecond, .well = false};
  bool acknowledges = false;
};

TEST_F(CutOffTest, HintsAfterTenSecondsWithoutTheBusAndThenEveryFifteen) {
  EXPECT_EQ(hints(45), (std::vector<uint64_t>{11, 26, 41}));
}

TEST_F(CutOffTest, ALinkThatIsThereIsNoReason) {
  seen.uplink.connected = true;
  EXPECT_TRUE(hints(60).empty());
  acknowledges = true;
  seen.uplink.ring_messages = 5;
  EXPECT_TRUE(hints(60).empty());
}

TEST_F(CutOffTest, ALinkThatAcknowledgesNothingIsDead) {
  seen.uplink.connected = true;
  seen.uplink.ring_messages = 5;
  EXPECT_EQ(hints(20), (std::vector<uint64_t>{11}));
}

TEST_F(CutOffTest, AServiceThatIsWellIsLeftAlone) {
  seen.well = true;
  EXPECT_TRUE(hints(60).empty());
  seen.well = false;
  EXPECT_FALSE(hints(60).empty());
}

TEST_F(CutOffTest, AnOldVersionIsNoBusinessOfTheDeadMan) {
  seen.version_age_us = 601 * kSecond;
  EXPECT_TRUE(hints(60).empty());
  seen.version_age_us.reset();
  EXPECT_TRUE(hints(60).empty());
}

TEST_F(CutOffTest, TenSecondsCountAnewAfterTheBusWasThere) {
  EXPECT_TRUE(hints(9).empty());
  seen.uplink.connected = true;
  seen.now_us = 10 * kSecond;
  EXPECT_FALSE(cut_off.observe(seen));
  seen.uplink.connected = false;
  seen.now_us = 19 * kSecond;
  EXPECT_FALSE(cut_off.observe(seen));
  seen.now_us = 20 * kSecond;
  EXPECT_TRUE(cut_off.observe(seen));
}

}  // namespace
}  // namespace serin::agent
