#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin {
namespace {

TEST(Log, ALineSaysWhenHowBadAndWho) {
  testing::internal::CaptureStderr();
  log::set_up("serin-test", log::Level::info);
  log::debug("not shown");
  log::warning("disk of {} is {} % full", "web-07", 97);
  log::set_up("serin-test", log::Level::off);
  log::error("not shown");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::MatchesRegex("[-0-9]+T[:0-9]+\\.[0-9]+Z warning serin-test: "
                                          "disk of web-07 is 97 % full\n"));
}

TEST(Log, NobodyCanForgeALineOrFillTheDisk) {
  testing::internal::CaptureStderr();
  log::set_up("serin-test", log::Level::info);
  log::info("{}", "a\nb\x1B[31m\t{}");
  log::info("{}", std::string(100'000, 'x'));
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("a\\x0Ab\\x1B[31m\\x09{}\n"), std::string::npos) << text;
  EXPECT_LT(text.size(), 3'000u);
}

TEST(Log, LevelsGoByName) {
  EXPECT_EQ(log::level_from("debug").value(), log::Level::debug);
  EXPECT_EQ(log::level_from("off").value(), log::Level::off);
  EXPECT_FALSE(log::level_from("verbose"));
}

TEST(Log, AKeyPassesOnceAMinuteAndTheRestIsCounted) {
  log::RateLimited limit;
  constexpr int64_t kStart = 1'000'000'000;
  EXPECT_EQ(limit.pass("a", kStart), 0u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.pass("a", kStart + 59'999'999), std::nullopt);
  EXPECT_EQ(limit.pass("b", kStart + 1), 0u);
  EXPECT_EQ(limit.pass("a", kStart + 60'000'000), 5u);
  EXPECT_EQ(limit.pass("a", kStart + 60'000'001), std::nullopt);
}

TEST(Log, KeysBeyondTheLimitShareOne) {
  log::RateLimited limit;
  for (size_t i = 0; i < log::RateLimited::kMostKeys; ++i) {
    EXPECT_EQ(limit.pass(std::to_string(i), 0), 0u);
  }
  EXPECT_EQ(limit.pass("one more", 0), 0u);
  EXPECT_EQ(limit.pass("and another", 0), std::nullopt);
  EXPECT_EQ(limit.pass("a third", 60'000'000), 1u);
}

}  // namespace
}  // namespace serin
