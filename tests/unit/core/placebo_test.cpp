#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "aggregator/core/fold.h"

// The fold's placebos: every service's untouched hosts are tried, whoever folds the input.

namespace serin::core {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'700'000'000 * kSecond;
constexpr int64_t kHour = 360;  // steps of 10 s

/// Each host's errors are thirty times as many for five minutes, now and then.
double jumping(int host, int64_t step) {
  const auto slot = static_cast<uint64_t>((step + host * 37) / 30);
  uint64_t x = slot * 6364136223846793005ULL + static_cast<uint64_t>(host) * 1442695040888963407ULL;
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  return (x ^ (x >> 33)) % 12 == 0 ? .06 : .002;
}

/// A fleet that samples at 10 s, and everything that the fold says of it.
class Placebo : public testing::Test {
 protected:
  void begin(int count) {
    for (int h = 0; h < count; ++h) started(h, "v1", "g1", {});
  }
  void run(int64_t steps) {
    for (int64_t i = 0; i < steps; ++i, ++step) {
      now += 10 * kSecond;
      for (size_t h = 0; h < hosts.size(); ++h) {
        if (!hosts[h].silent) sample(static_cast<int>(h));
      }
    }
  }
  void started(int h, const std::string& version, const std::string& generation,
               const std::string& previous) {
    if (hosts.size() <= static_cast<size_t>(h)) hosts.resize(static_cast<size_t>(h) + 1);
    Host& host = hosts[static_cast<size_t>(h)];
    host.version = version;
    host.generation = generation;
    Event e;
    e.from = identity(h);
    e.service = "api";
    e.kind = EventKind::version_started;
    e.version = version;
    e.previous = previous;
    e.generation = generation;
    give(e);
  }
  static std::vector<Effect> fold_into(Fold& into, const std::vector<Input>& stream) {
    std::vector<Effect> all;
    for (const Input& input : stream) {
      for (auto& effect : into.step(input)) all.push_back(std::move(effect));
    }
    return all;
  }
  static std::vector<PlaceboView> shown(const Fold& of) { return of.services().at(0).placebos; }
  static PlaceboView errors(const Fold& of) {
    for (const auto& one : shown(of)) {
      if (one.metric == "errors") return one;
    }
    return {};
  }
  static std::vector<Decision> trusts(const std::vector<Effect>& effects) {
    std::vector<Decision> out;
    for (const auto& effect : effects) {
      const auto* decision = std::get_if<Decision>(&effect);
      if (decision != nullptr && decision->kind == DecisionKind::trust) out.push_back(*decision);
    }
    return out;
  }

  struct Host {
    std::string version, generation;
    uint64_t sequence = 0;
    bool silent = false;
  };
  std::vector<Host> hosts;
  std::function<double(int, int64_t)> error_rate = [](int, int64_t) { return .002; };
  PolicySet policy;
  std::unique_ptr<Fold> fold;
  std::vector<Input> stream;
  std::vector<Effect> effects;
  int64_t now = kStart, step = 0;

  void SetUp() override { fold = std::make_unique<Fold>(policy); }

 private:
  Identity identity(int h) {
    return {"web-" + std::string(h < 10 ? "0" : "") + std::to_string(h), "boot", 1,
            ++hosts[static_cast<size_t>(h)].sequence};
  }
  void sample(int h) {
    const Host& host = hosts[static_cast<size_t>(h)];
    Sample s;
    s.from = identity(h);
    s.service = "api";
    s.version = host.version;
    s.generation = host.generation;
    s.interval_us = 10'000'000;
    RequestMetrics requests{.requests = std::poisson_distribution<uint64_t>(500)(random)};
    requests.errors =
        std::binomial_distribution<uint64_t>(requests.requests, error_rate(h, step))(random);
    s.requests = requests;
    give(s);
  }
  void give(std::variant<Sample, Event, Control> body) {
    stream.push_back({.seq = stream.size() + 1, .stored_us = now, .body = std::move(body)});
    for (auto& effect : fold->step(stream.back())) effects.push_back(std::move(effect));
  }
  std::mt19937_64 random{7};
};

TEST_F(Placebo, UntouchedHostsAreTriedWithoutAnyDeploy) {
  begin(6);
  run(2 * kHour);
  const PlaceboView view = errors(*fold);
  EXPECT_GE(view.runs_hour, 30u);
  EXPECT_LE(view.runs_hour, 36u);
  EXPECT_GE(view.runs, view.runs_hour);
  EXPECT_EQ(view.fired, 0u);
  EXPECT_DOUBLE_EQ(view.widening, 1);
  EXPECT_TRUE(trusts(effects).empty());
}

TEST_F(Placebo, LessThanAWatchShowsNothingAndChangesNothing) {
  error_rate = jumping;
  begin(12);
  run(60);
  EXPECT_TRUE(shown(*fold).empty());
  EXPECT_TRUE(trusts(effects).empty());
}

TEST_F(Placebo, AMetricThatFiresOnUntouchedHostsIsRecordedToldAndShown) {
  error_rate = jumping;
  begin(20);
  for (int i = 0; i < 8 && trusts(effects).empty(); ++i) run(kHour / 2);
  const auto recorded = trusts(effects);
  ASSERT_FALSE(recorded.empty());
  EXPECT_EQ(recorded[0].reason.metric, "errors");
  EXPECT_TRUE(recorded[0].advisory);
  EXPECT_DOUBLE_EQ(recorded[0].widening, 1.5);
  const auto told = std::ranges::find_if(effects, [](const auto& effect) {
    const auto* note = std::get_if<Notification>(&effect);
    return note != nullptr && note->kind == "advisory";
  });
  ASSERT_NE(told, effects.end());
  EXPECT_NE(std::get<Notification>(*told).text.find("errors is advisory: it fired on"),
            std::string::npos)
      << std::get<Notification>(*told).text;
  EXPECT_GT(errors(*fold).fired, 1u);
}

TEST_F(Placebo, AFoldThatStartsAnewFromItsWholeInputComesToTheSame) {
  error_rate = jumping;
  begin(20);
  run(4 * kHour);
  ASSERT_FALSE(trusts(effects).empty());
  Fold again(policy);
  for (const auto& fact : trusts(effects)) again.adopt(fact);
  const auto said = trusts(fold_into(again, stream));
  EXPECT_EQ(said, trusts(effects));
  EXPECT_EQ(errors(again).runs, errors(*fold).runs);
  EXPECT_EQ(errors(again).fired_hour, errors(*fold).fired_hour);
  EXPECT_EQ(errors(again).advisory, errors(*fold).advisory);
}

TEST_F(Placebo, TwoHoursOfInputAndTheAuditAreEnough) {
  error_rate = jumping;
  begin(20);
  run(6 * kHour);
  std::vector<Decision> audit;
  for (const auto& effect : effects) {
    if (const auto* decision = std::get_if<Decision>(&effect)) audit.push_back(*decision);
  }
  const size_t before = trusts(effects).size();
  ASSERT_GT(before, 0u);
  Fold again(policy);
  for (const auto& fact : audit) again.adopt(fact);
  std::vector<Input> kept;
  for (const Input& input : stream) {
    if (input.stored_us > now - 7200 * kSecond) kept.push_back(input);
  }
  const auto said = trusts(fold_into(again, kept));
  for (const auto& one : said) {
    EXPECT_NE(std::ranges::find(audit, one), audit.end()) << "decided anew: " << one.effect_id;
  }
  EXPECT_EQ(errors(again).runs_hour, errors(*fold).runs_hour);
  EXPECT_EQ(errors(again).fired_hour, errors(*fold).fired_hour);
  EXPECT_EQ(errors(again).advisory, errors(*fold).advisory);
  EXPECT_DOUBLE_EQ(errors(again).widening, errors(*fold).widening);
  // And it goes on in the same way.
  const size_t folded = stream.size();
  run(2 * kHour);
  fold_into(again, {stream.begin() + static_cast<ptrdiff_t>(folded), stream.end()});
  EXPECT_EQ(errors(again).runs_hour, errors(*fold).runs_hour);
  EXPECT_EQ(errors(again).advisory, errors(*fold).advisory);
  EXPECT_DOUBLE_EQ(errors(again).widening, errors(*fold).widening);
}

TEST_F(Placebo, AHostThatRestartsIsNoRun) {
  begin(6);
  run(kHour);
  const uint64_t before = errors(*fold).runs;
  for (int i = 0; i < 12; ++i) {
    run(30);  // never a whole watch of its own
    started(3, "v1", "g" + std::to_string(i + 2), "v1");
  }
  const uint64_t others = errors(*fold).runs - before;
  EXPECT_LE(others, 5u * 7);
  EXPECT_GE(others, 5u * 5);
}

TEST_F(Placebo, AHostThatGoesSilentIsNoRun) {
  begin(6);
  run(kHour);
  const uint64_t before = errors(*fold).runs;
  hosts[2].silent = true;
  run(kHour);
  EXPECT_LE(errors(*fold).runs - before, 5u * 7);
}

TEST_F(Placebo, HostsOfADeployAreNoPlacebos) {
  begin(6);
  run(kHour);
  const uint64_t before = errors(*fold).runs;
  started(0, "v2", "g2", "v1");
  error_rate = [](int host, int64_t) { return host == 0 ? .1 : .002; };
  run(90);
  EXPECT_EQ(errors(*fold).fired, 0u);
  EXPECT_GT(errors(*fold).runs, before) << "the others go on while a deploy is watched";
}

TEST_F(Placebo, AnAdvisoryMetricRollsNothingBackAndIsNamed) {
  Decision fact;
  fact.effect_id = "api|errors/trust//1";
  fact.kind = DecisionKind::trust;
  fact.service = "api";
  fact.at_us = kStart + 2000 * kSecond;
  fact.widening = 1.5;
  fact.advisory = true;
  fact.reason = {.kind = ReasonKind::evidence,
                 .metric = "errors",
                 .text = "it fired on 3 of 20 untouched hosts in the last hour"};
  fold->adopt(fact);
  policy.fallback.slo_errors = 0;
  begin(8);
  run(kHour);
  started(0, "v2", "g2", "v1");
  error_rate = [](int host, int64_t) { return host == 0 ? .1 : .002; };
  run(55);
  ASSERT_EQ(fold->deploys().size(), 1u);
  const auto deploy = fold->deploy(fold->deploys()[0].id);
  EXPECT_NE(deploy->verdict, "rollback") << deploy->reason.text;
  const auto metric = std::ranges::find(deploy->metrics, "errors", &MetricView::metric);
  ASSERT_NE(metric, deploy->metrics.end());
  EXPECT_NE(
      metric->text.find("errors is advisory: it fired on 3 of 20 untouched hosts in the last hour"),
      std::string::npos)
      << metric->text;
  EXPECT_EQ(std::ranges::count(deploy->timeline, "advisory", &TimelineEntry::kind), 1);
}

}  // namespace
}  // namespace serin::core
