#include <gtest/gtest.h>

#include "agent/sampler/agent_config.h"
#include "agent/sampler/announcer.h"
#include "agent/sampler/phase.h"
#include "agent/sampler/sample_flow.h"
#include "agent/sampler/sampler.h"

namespace serin::agent {
namespace {

constexpr uint64_t kSecond = 1'000'000;
constexpr int64_t kNoon = 1'795'176'000'000'000;

// ---- phases

TEST(PhaseTracker, ARestartIsStartingUntilTheServiceAnswers) {
  PhaseTracker phases(true);
  EXPECT_EQ(phases.phase(), Phase::down);
  phases.started(100 * kSecond, 100 * kSecond);
  EXPECT_EQ(phases.observe(101 * kSecond, 0, 5), Phase::starting);
  EXPECT_EQ(phases.observe(102 * kSecond, 3, 1),
            Phase::starting);  // its 502s came before the first answer
  EXPECT_EQ(phases.observe(103 * kSecond, 3, 3), Phase::serving);
  EXPECT_EQ(phases.observe(200 * kSecond, 0, 9), Phase::serving);
}

TEST(PhaseTracker, AfterThirtySecondsOfFailuresItIsNotServing) {
  PhaseTracker phases(true);
  phases.started(100 * kSecond, 100 * kSecond);
  EXPECT_EQ(phases.observe(129 * kSecond, 0, 1), Phase::starting);
  EXPECT_EQ(phases.observe(130 * kSecond, 0, 1), Phase::not_serving);
  EXPECT_EQ(phases.observe(140 * kSecond, 1, 0), Phase::not_serving);
  EXPECT_EQ(phases.observe(141 * kSecond, 1, 0), Phase::serving);
}

TEST(PhaseTracker, WithoutTrafficItServesAfterThirtySeconds) {
  PhaseTracker phases(true);
  phases.started(100 * kSecond, 100 * kSecond);
  EXPECT_EQ(phases.observe(130 * kSecond, 0, 0), Phase::serving);
}

TEST(PhaseTracker, AProcessThatRanBeforeTheAgentServes) {
  PhaseTracker phases(true);
  phases.started(100 * kSecond, 131 * kSecond);
  EXPECT_EQ(phases.phase(), Phase::serving);
  phases.ended();
  EXPECT_EQ(phases.observe(132 * kSecond, 0, 9), Phase::down);
}

TEST(PhaseTracker, WithoutALogARunningProcessServes) {
  PhaseTracker phases(false);
  phases.started(100 * kSecond, 100 * kSecond);
  EXPECT_EQ(phases.phase(), Phase::serving);
}

// ---- cadence

class SampleFlowTest : public testing::Test {
 protected:
  Sample second(uint64_t at, uint64_t requests = 10, const std::string& version = "v1") {
    Sample sample;
    sample.service = "api";
    sample.version = version;
    sample.generation = "g-" + version;
    sample.wall_us = kNoon + static_cast<int64_t>(at * kSecond);
    sample.process.cpu_seconds = 0.1;
    sample.process.rss_bytes = 1000 + at;
    sample.requests = RequestMetrics{.requests = requests, .errors = 1};
    sample.requests->latency.record(0.01, requests);
    sample.counters = {{"orders", 2}};
    return sample;
  }
  void add(uint64_t at, uint64_t requests = 10, const std::string& version = "v1") {
    flow_.add(second(at, requests, version), at * kSecond);
  }
  std::vector<std::pair<Sample, uint64_t>> sent_;
  SampleFlow flow_{
      [this](Sample sample, uint64_t end) { sent_.emplace_back(std::move(sample), end); }};
};

TEST_F(SampleFlowTest, TenSecondsAreOneSampleCutAtWholeTens) {
  for (uint64_t at = 4; at <= 20; ++at) add(at);
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(sent_[0].first.interval_us, 7 * kSecond);
  EXPECT_EQ(sent_[0].second, 10 * kSecond);
  const Sample& ten = sent_[1].first;
  EXPECT_EQ(ten.interval_us, 10 * kSecond);
  EXPECT_EQ(ten.wall_us, kNoon + 20'000'000);
  EXPECT_EQ(ten.requests->requests, 100U);
  EXPECT_EQ(ten.requests->errors, 10U);
  EXPECT_EQ(ten.requests->latency.total(), 100U);
  EXPECT_NEAR(ten.process.cpu_seconds.value(), 1.0, 1e-9);
  EXPECT_EQ(ten.process.rss_bytes, 1020U);
  EXPECT_EQ(ten.counters[0].value, 20);
  EXPECT_TRUE(flow_.is_empty());
}

TEST_F(SampleFlowTest, AnAmountThatOneSecondLacksIsAbsentInTheSum) {
  add(1);
  auto lacking = second(2);
  lacking.process.cpu_seconds.reset();
  flow_.add(lacking, 2 * kSecond);
  flow_.flush();
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_FALSE(sent_[0].first.process.cpu_seconds);
}

TEST_F(SampleFlowTest, ACounterThatOneSecondLacksIsAbsentInTheSum) {
  for (bool first : {true, false}) {
    sent_.clear();
    for (bool lacks : {first, !first}) {
      auto one = second(lacks ? 1 : 2);
      if (lacks) one.counters.clear();
      flow_.add(one, 2 * kSecond);
    }
    flow_.flush();
    ASSERT_EQ(sent_.size(), 1U);
    EXPECT_TRUE(sent_[0].first.counters.empty());
  }
}

TEST(Merge, OfSocketsAddsWhatHappenedAndKeepsTheLastLevels) {
  Sample sum, later;
  sum.sockets = {.outbound = 4,
                 .retransmits = 1,
                 .failed_connects = 2,
                 .remotes = {{.port = 80, .connections = 1, .retransmits = 7},
                             {.port = 5432, .connections = 3, .retransmits = 1}}};
  later.sockets = {.outbound = 9,
                   .retransmits = 2,
                   .remotes = {{.port = 5432, .connections = 9, .retransmits = 2}}};
  merge(sum, later);
  EXPECT_EQ(sum.sockets, (SocketMetrics{
                             .outbound = 9,
                             .retransmits = 3,
                             .remotes = {{.port = 5432, .connections = 9, .retransmits = 3}}}));
}

TEST(Merge, OfClassesAddsEachToItsOwn) {
  Sample sum, later;
  sum.requests = {.requests = 3, .latency = {}, .classes = {{.name = "cart", .requests = 2, .errors = 1}}};
  later.requests = {.requests = 4,
                    .latency = {},
                    .classes = {{.name = "about", .requests = 1}, {.name = "cart", .requests = 3}}};
  merge(sum, later);
  EXPECT_EQ(sum.requests->classes,
            (std::vector<RequestClass>{{.name = "about", .requests = 1},
                                       {.name = "cart", .requests = 5, .errors = 1}}));
}

TEST_F(SampleFlowTest, TwoGenerationsNeverShareASample) {
  add(1);
  add(2);
  add(3, 10, "v2");
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].first.version, "v1");
  EXPECT_EQ(sent_[0].first.interval_us, 2 * kSecond);
}

TEST_F(SampleFlowTest, AttentionBringsSecondsAndTheLastMinuteAsHistory) {
  for (uint64_t at = 1; at <= 105; ++at) add(at);
  sent_.clear();
  flow_.attention(105 * kSecond, 1000, 300);
  ASSERT_EQ(sent_.size(), 1 + SampleFlow::kHistory);
  EXPECT_FALSE(sent_[0].first.history);  // what was merged so far counts
  EXPECT_EQ(sent_[0].first.interval_us, 5 * kSecond);
  EXPECT_TRUE(sent_[1].first.history);
  EXPECT_EQ(sent_[1].second, 46 * kSecond);
  EXPECT_EQ(sent_.back().second, 105 * kSecond);
  sent_.clear();
  flow_.attention(105 * kSecond, 1000, 300);  // a renewal repeats nothing
  EXPECT_TRUE(sent_.empty());
  add(106);
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].first.interval_us, kSecond);
  EXPECT_FALSE(sent_[0].first.history);
}

TEST_F(SampleFlowTest, AttentionLapsesByItself) {
  flow_.attention(0, 1000, 100'000);
  EXPECT_TRUE(flow_.is_fast(899 * kSecond));
  EXPECT_FALSE(flow_.is_fast(900 * kSecond));
}

TEST_F(SampleFlowTest, ASlowAttentionChangesNothing) {
  flow_.attention(0, 10'000, 300);
  EXPECT_FALSE(flow_.is_fast(1));
}

TEST_F(SampleFlowTest, AStartIsWatchedClosely) {
  flow_.hurry(10 * kSecond);
  EXPECT_TRUE(flow_.is_fast(69 * kSecond));
  EXPECT_FALSE(flow_.is_fast(70 * kSecond));
}

// ---- small decisions

TEST(Ticks, FallOnWholeSecondsAndNeverTwice) {
  EXPECT_EQ(until_whole_second_ms(1'000'000), 1000U);
  EXPECT_EQ(until_whole_second_ms(1'000'001), 1000U);
  EXPECT_EQ(until_whole_second_ms(1'500'000), 500U);
  EXPECT_EQ(until_whole_second_ms(1'999'400), 1001U);
  EXPECT_EQ(until_whole_second_ms(-300'000), 300U);
}

HelperReply status_of(std::vector<HelperStep> steps) {
  return {.answer = HelperAnswer::in_progress,
          .command = "aa",
          .target = "v1",
          .steps = std::move(steps)};
}

TEST(Cause, IsRollbackWhenTheHelpersCommandLedToTheStart) {
  auto running = status_of({{"accepted", "", 100}, {"switched", "", 5'000'000}});
  EXPECT_TRUE(led_to_start(running, "v1", 5'500'000));
  EXPECT_FALSE(led_to_start(running, "v2", 5'500'000));
  auto done = status_of({{"accepted", "", 10'000'000}, {"verified", "", 12'000'000}});
  EXPECT_TRUE(led_to_start(done, "v1", 11'000'000));
  EXPECT_FALSE(led_to_start(done, "v1", 20'000'000));  // somebody started it again later
  EXPECT_FALSE(led_to_start(done, "v1", 8'000'000));   // it ran before
  EXPECT_FALSE(led_to_start({}, "", 0));
}

TEST(AgentConfig, NamesEveryProblemAtOnce) {
  auto config = parse_agent_config("[nats]\nurls = 1\n[agent]\nstate_dir = \"relative\"\n[hots]\n",
                                   "agent.toml");
  ASSERT_FALSE(config);
  for (auto part : {"url", "absolute", "hots"})
    EXPECT_NE(config.error().message.find(part), std::string::npos) << config.error().message;
}

TEST(AgentConfig, HasDefaults) {
  auto config = parse_agent_config("[nats]\nurl = \"nats://localhost\"\n", "agent.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->nats_urls.size(), 1U);
  EXPECT_EQ(config->host, default_host_id());
  EXPECT_EQ(config->state_dir, "/var/lib/serin/agent");
}

}  // namespace
}  // namespace serin::agent
