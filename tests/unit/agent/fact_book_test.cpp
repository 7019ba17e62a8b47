#include "agent/facts/fact_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/fact.h"
#include "schema/limits.h"
#include "schema/wire.h"

namespace serin::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr uint64_t kSecond = 1'000'000;

class FactBookTest : public testing::Test {
 protected:
  void turn(uint64_t seconds) {
    book_.turn({.boot_us = start_us_ + seconds * kSecond, .wall_us = 1});
  }
  std::vector<Event> take() { return std::exchange(sent_, {}); }

  std::vector<Event> sent_;
  FactBook book_{"api", [this](Event event, const Moment&) { sent_.push_back(std::move(event)); }};
  uint64_t start_us_ = 5'000 * kSecond;
};

TEST_F(FactBookTest, TheFirstTurnTellsEverything) {
  book_.set("kernel.release", "6.1.0");
  book_.set("cpu.model", "EPYC");
  turn(0);
  const auto events = take();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::facts);
  EXPECT_EQ(events[0].step, fact::kAll);
  EXPECT_EQ(events[0].service, "api");
  EXPECT_THAT(events[0].facts,
              UnorderedElementsAre(Pair("kernel.release", "6.1.0"), Pair("cpu.model", "EPYC")));
}

TEST_F(FactBookTest, WhatDidNotChangeIsNotToldAgain) {
  book_.set("kernel.release", "6.1.0");
  turn(0);
  take();
  book_.set("kernel.release", "6.1.0");
  turn(1);
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(FactBookTest, AChangeIsToldAlone) {
  book_.set("kernel.release", "6.1.0");
  book_.set("cpu.model", "EPYC");
  turn(0);
  take();
  book_.set("cpu.model", "Xeon");
  turn(1);
  const auto events = take();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].step, "");
  EXPECT_THAT(events[0].facts, ElementsAre(Pair("cpu.model", "Xeon")));
}

TEST_F(FactBookTest, AFactThatNoLongerHoldsIsToldAsEmpty) {
  book_.set("cpu.model", "EPYC");
  turn(0);
  take();
  book_.remove("cpu.model");
  turn(1);
  EXPECT_THAT(take().at(0).facts, ElementsAre(Pair("cpu.model", "")));
}

TEST_F(FactBookTest, AFactThatCannotBeReadTellsWhy) {
  book_.absent("config.app", "may not be read by this user");
  turn(0);
  EXPECT_THAT(take().at(0).facts,
              ElementsAre(Pair("config.app", "absent: may not be read by this user")));
}

TEST_F(FactBookTest, AWholeGroupIsReplaced) {
  book_.replace("library.", {{"library.libc", "1"}, {"library.libssl", "2"}});
  turn(0);
  take();
  book_.replace("library.", {{"library.libc", "1"}, {"library.libz", "3"}});
  turn(1);
  EXPECT_THAT(take().at(0).facts,
              UnorderedElementsAre(Pair("library.libssl", ""), Pair("library.libz", "3")));
}

TEST_F(FactBookTest, AFactThatChangesEverySecondCostsSixMessagesAMinuteAtMost) {
  for (uint64_t second = 0; second < 600; ++second) {
    book_.set("cpu.model", std::to_string(second));
    turn(second);
  }
  EXPECT_LE(sent_.size(), FactBook::kMostTurns + 60u);
  turn(615);
  EXPECT_EQ(sent_.back().facts.front().second, "599") << "the last change is told in the end";
}

TEST_F(FactBookTest, EverythingIsToldAgainWellWithinWhatTheStreamKeeps) {
  book_.set("cpu.model", "EPYC");
  turn(0);
  take();
  turn(2'999);
  EXPECT_THAT(take(), IsEmpty());
  turn(3'001);
  EXPECT_EQ(take().at(0).step, fact::kAll);
}

TEST_F(FactBookTest, MoreFactsThanThereIsRoomForAreCountedAndLoseNoOther) {
  for (size_t i = 0; i < fact::kMost + 7; ++i) book_.set("fact." + std::to_string(i), "x");
  EXPECT_EQ(book_.left_out(), 7u);
  EXPECT_EQ(book_.find("fact.0"), "x");
  turn(0);
  size_t told = 0;
  for (const auto& event : take()) told += event.facts.size();
  EXPECT_EQ(told, fact::kMost);
}

TEST_F(FactBookTest, TheLongestFactsStillFitTheStreamsMessages) {
  for (size_t i = 0; i < fact::kMost; ++i)
    book_.set(std::to_string(i) + std::string(300, 'n'), std::string(9'000, 'v'));
  turn(0);
  size_t told = 0;
  for (auto& event : take()) {
    event.from = {"web-00", "boot", 1, 1};
    const Bytes bytes = wire::encode(event);
    EXPECT_LE(bytes.size(), wire::kMaxMessageBytes);
    const auto read = wire::decode_event(bytes);
    ASSERT_TRUE(read) << read.error().message;
    told += read->facts.size();
  }
  EXPECT_EQ(told, fact::kMost);
}

TEST_F(FactBookTest, WhatIsNotTextIsMadePlain) {
  book_.set("config.\x01x", "a\nb\xFF");
  turn(0);
  EXPECT_THAT(take().at(0).facts, ElementsAre(Pair("config. x", "a b?")));
}

class FactBooksTest : public testing::Test {
 protected:
  std::vector<Event> sent_;
  FactBooks books_{[this](Event event, const Moment&) { sent_.push_back(std::move(event)); }};
  void turn(uint64_t seconds, bool connected, uint64_t connections) {
    books_.turn({.boot_us = (5'000 + seconds) * kSecond, .wall_us = 1}, connected, connections);
  }
};

TEST_F(FactBooksTest, NothingIsToldBeforeSomebodyCouldHearIt) {
  books_.of("api").set("cpu.model", "EPYC");
  turn(0, false, 0);
  EXPECT_THAT(sent_, IsEmpty());
  turn(1, true, 0);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(FactBooksTest, EveryConnectionHearsEverything) {
  books_.of("api").set("cpu.model", "EPYC");
  books_.of("web").set("cpu.model", "EPYC");
  turn(0, true, 0);
  sent_.clear();
  turn(1, true, 0);
  EXPECT_THAT(sent_, IsEmpty());
  turn(20, true, 1);
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[0].step, fact::kAll);
  EXPECT_EQ(sent_[1].service, "web");
}

}  // namespace
}  // namespace serin::agent
