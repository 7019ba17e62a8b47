#include "aggregator/core/facts.h"

#include <gtest/gtest.h>

#include "aggregator/core/fold.h"
#include "schema/capture.h"
#include "schema/fact.h"

namespace serin::core {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Event told(uint64_t sequence, Pairs facts, std::string step = {}, uint64_t agent_start = 1) {
  Event event;
  event.from = {"web-00", "boot", agent_start, sequence};
  event.service = "api";
  event.kind = EventKind::facts;
  event.step = std::move(step);
  event.facts = std::move(facts);
  return event;
}

class FactsTest : public testing::Test {
 protected:
  bool take(const Event& event) { return facts.take(event, texts); }
  std::string value(std::string_view name) {
    const std::string* found = facts.find(name);
    return found == nullptr ? "" : *found;
  }
  FactTexts texts;
  Facts facts;
};

TEST_F(FactsTest, AChangeLeavesTheOtherFactsAlone) {
  EXPECT_TRUE(take(told(1, {{"a", "1"}, {"b", "2"}}, "all")));
  EXPECT_TRUE(take(told(2, {{"b", "3"}})));
  EXPECT_FALSE(take(told(3, {{"b", "3"}})));
  EXPECT_EQ(value("a"), "1");
  EXPECT_EQ(value("b"), "3");
}

TEST_F(FactsTest, AnEmptyValueEndsAFact) {
  take(told(1, {{"a", "1"}}));
  EXPECT_TRUE(take(told(2, {{"a", ""}})));
  EXPECT_EQ(facts.find("a"), nullptr);
}

TEST_F(FactsTest, BeginningAnewForgetsWhatIsNotNamedAgain) {
  take(told(1, {{"a", "1"}, {"b", "2"}}, "all"));
  EXPECT_TRUE(take(told(2, {{"b", "2"}}, "all")));
  EXPECT_EQ(facts.find("a"), nullptr);
  EXPECT_FALSE(take(told(3, {{"b", "2"}}, "all"))) << "the same again is no change";
}

TEST_F(FactsTest, PartsThatArriveInAnotherOrderGiveTheSame) {
  take(told(1, {{"a", "0"}, {"gone", "0"}}, "all"));
  take(told(3, {{"b", "2"}}));  // the second part
  take(told(2, {{"a", "1"}}, "all"));
  EXPECT_EQ(value("a"), "1");
  EXPECT_EQ(value("b"), "2");
  EXPECT_EQ(facts.find("gone"), nullptr);
}

TEST_F(FactsTest, AnOlderEventDoesNotUndoANewerOne) {
  take(told(5, {{"a", "new"}}));
  EXPECT_FALSE(take(told(4, {{"a", "old"}})));
  EXPECT_EQ(value("a"), "new");
}

TEST_F(FactsTest, TheNextAgentsNumbersBeginAgain) {
  take(told(900, {{"a", "1"}}, "all"));
  EXPECT_TRUE(take(told(2, {{"a", "2"}}, "all", 77)));
  EXPECT_EQ(value("a"), "2");
}

TEST_F(FactsTest, WhatCouldNotBeReadIsKnownToBeAbsent) {
  take(told(1, {{"a", fact::absent("no permission")}}));
  EXPECT_EQ(value("a"), "absent: no permission");
  EXPECT_EQ(facts.value("a"), nullptr);
}

TEST_F(FactsTest, FactsThatFindNoRoomAreCounted) {
  Pairs many;
  for (size_t i = 0; i < fact::kMost + 5; ++i) many.emplace_back("f" + std::to_string(i), "x");
  take(told(1, many));
  EXPECT_EQ(facts.all().size(), fact::kMost);
  EXPECT_EQ(facts.refused(), 5u);
  take(told(2, {{"f0", std::string(fact::kValueBytes + 1, 'x')}}));
  EXPECT_EQ(facts.refused(), 6u);
  EXPECT_EQ(value("f0"), "x");
}

TEST_F(FactsTest, HostsThatSayTheSameShareTheirTexts) {
  Facts other;
  take(told(1, {{"kernel.release", "6.1.0"}}));
  other.take(told(1, {{"kernel.release", "6.1.0"}}), texts);
  EXPECT_EQ(facts.find("kernel.release"), other.find("kernel.release"));
}

TEST_F(FactsTest, AValueThatChangesForEverDoesNotFillTheMemory) {
  for (uint64_t i = 1; i < 20'000; ++i) take(told(i, {{"a", std::to_string(i)}}));
  EXPECT_LT(texts.size(), 3'000u);
}

TEST_F(FactsTest, ACopyIsWhatWasKnownThen) {
  take(told(1, {{"a", "1"}}));
  const Facts before = facts;
  take(told(2, {{"a", "2"}}));
  EXPECT_EQ(*before.find("a"), "1");
}

// ---- through the fold

class FoldFacts : public testing::Test {
 protected:
  void give(const Event& event) {
    line.seq = ++seq;
    line.stored_us = static_cast<int64_t>(seq) * 1'000'000;
    line.body = event;
    lines.push_back(capture::format(line));
    fold.step({.seq = line.seq, .stored_us = line.stored_us, .body = event});
  }
  Fold fold{PolicySet{}};
  capture::Line line;
  std::vector<std::string> lines;
  uint64_t seq = 0;
};

TEST_F(FoldFacts, AreShownWithTheirHost) {
  give(told(1, {{"agent.version", "0.1"}, {"cpu.model", "EPYC"}, {"rollback.ready", "yes"}}));
  EXPECT_EQ(fold.hosts("api").at(0).facts,
            (Pairs{{"agent.version", "0.1"}, {"rollback.ready", "yes"}}));
  EXPECT_EQ(fold.hosts("api", FactScope::all).at(0).facts.size(), 3u);
}

TEST_F(FoldFacts, ThatFindNoRoomAreCounted) {
  Pairs many;
  for (size_t i = 0; i < 200; ++i) many.emplace_back("f" + std::to_string(i), "x");
  give(told(1, many));
  for (auto& [name, value] : many) name = "g" + name;
  give(told(2, many));
  EXPECT_EQ(fold.counters().facts_refused, 2 * 200 - fact::kMost);
}

TEST_F(FoldFacts, ANewsOfMemoryIsNotKeptAsAFact) {
  give(told(1, {{"oom_kills", "1"}}));
  EXPECT_TRUE(fold.hosts("api", FactScope::all).at(0).facts.empty());
}

TEST_F(FoldFacts, OfARecordedStreamAreTheSame) {
  give(told(1, {{"a", "1"}, {"quoted", "\"x\\y\" \xC3\xA4"}, {"gone", "2"}}, "all"));
  give(told(2, {{"gone", ""}, {"b", fact::absent("why")}}));
  give(told(3, {{"a", "7"}, {"b", "8"}}, "all"));
  Fold again{PolicySet{}};
  for (const std::string& text : lines) {
    const auto read = capture::parse(text);
    ASSERT_TRUE(read) << read.error().message;
    again.step({.seq = read->seq, .stored_us = read->stored_us, .body = read->body});
    if (read->seq == 2) {
      EXPECT_EQ(again.hosts("api", FactScope::all).at(0).facts.size(), 3u);
    }
  }
  EXPECT_EQ(again.hosts("api", FactScope::all).at(0).facts,
            fold.hosts("api", FactScope::all).at(0).facts);
  EXPECT_EQ(fold.hosts("api", FactScope::all).at(0).facts, (Pairs{{"a", "7"}, {"b", "8"}}));
}

TEST(AgentSelfTest, WhatAnAgentSaysOfItselfIsShownWithEachServiceOfItsHost) {
  Fold fold{PolicySet{}};
  uint64_t sequence = 0;
  const auto take = [&](const std::string& host, const std::string& service,
                        std::optional<AgentSelf> self) {
    Sample sample{.from = {host, "boot", 1, 1}, .service = service};
    sample.self = std::move(self);
    fold.step({.seq = ++sequence, .stored_us = 1'000'000'000, .body = std::move(sample)});
  };
  take("web-00", "api", std::nullopt);
  take("web-01", "api", std::nullopt);
  take("web-00", "_host", AgentSelf{.version = "0.1.0", .ring_dropped = 7, .late_ticks = 2});
  const auto hosts = fold.hosts("api");
  ASSERT_EQ(hosts.size(), 2U);
  ASSERT_TRUE(hosts[0].agent);
  EXPECT_EQ(hosts[0].agent->ring_dropped, 7U);
  EXPECT_FALSE(hosts[1].agent) << "another host's agent";
}

}  // namespace
}  // namespace serin::core
