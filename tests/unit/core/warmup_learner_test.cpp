#include "aggregator/core/warmup_learner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "aggregator/core/warmup_json.h"

namespace serin::core {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'000'000 * kSecond;
constexpr auto kErrors = static_cast<size_t>(judge::WarmupStream::errors);
constexpr auto kP50 = static_cast<size_t>(judge::WarmupStream::latency_p50);

/// Hosts of one version without chance: what is expected is what happens.
struct Hosts {
  WarmupLearner::Tracks tracks;
  WarmupLearner learner;
  int64_t now = kStart;
  uint32_t interval_seconds = 1;
  uint64_t rate = 200;
  std::map<uint32_t, int64_t> restarted;
  /// Factor on odds of errors, and on latency, of a restarted host by its age; on all hosts by
  /// time.
  std::function<double(double)> warming = [](double) { return 1.0; };
  std::function<double(int64_t)> everywhere = [](int64_t) { return 1.0; };

  explicit Hosts(uint32_t count) {
    for (uint32_t h = 0; h < count; ++h) {
      auto track = std::make_unique<Track>();
      track->index = h;
      track->version = "v1";
      track->host = "web-" + std::to_string(h);
      tracks.push_back(std::move(track));
    }
    run(600);
  }

  Sample sample(uint32_t host, double age) {
    Sample s;
    s.version = "v1";
    s.interval_us = interval_seconds * 1'000'000;
    const double own = restarted.contains(host) ? warming(age) : 1;
    const double level = 1 + 0.1 * host;  // host 3 has 30 % more errors than host 0
    RequestMetrics r;
    r.requests = rate * interval_seconds;
    const double odds = 0.1 * level * own * everywhere(now);
    r.errors =
        static_cast<uint64_t>(std::llround(odds / (1 + odds) * static_cast<double>(r.requests)));
    for (uint64_t i = 0; i < r.requests; ++i) {
      const double rank = (static_cast<double>(i) + .5) / static_cast<double>(r.requests);
      r.latency.record(.05 * std::exp(2 * (rank - .5)) * own);
    }
    s.requests = std::move(r);
    return s;
  }

  void run(int64_t seconds) {
    for (int64_t end = now + seconds * kSecond; now < end;) {
      now += interval_seconds * kSecond;
      for (const auto& track : tracks) {
        if (track->gone) continue;
        const auto at = restarted.find(track->index);
        const int64_t begin = now - interval_seconds * kSecond;
        const double age =
            at == restarted.end() ? 1e6 : static_cast<double>(begin - at->second) / 1e6;
        const Sample s = sample(track->index, age);
        track->history.add(now - interval_seconds * kSecond / 2, s, {});
        learner.see(track->index, s, now, age);
      }
    }
  }

  void restart(uint32_t host) {
    restarted[host] = now;
    learner.begin(tracks, host, "v1", now);
  }
};

double excess(const judge::WarmupCount& c) {
  const auto log_odds = [](double share) { return std::log(share) - std::log1p(-share); };
  return log_odds(c.bad / c.requests) - log_odds(c.usual / c.requests);
}

TEST(WarmupLearner, ARestartIsComparedWithTheOthersAndItsOwnPast) {
  Hosts hosts(6);
  hosts.warming = [](double age) { return std::exp(1.0 * std::exp(-age / 30)); };
  hosts.restart(3);
  hosts.run(200);
  EXPECT_TRUE(hosts.learner.finished(hosts.now).empty());  // samples may be under way
  const auto lessons = hosts.learner.finished(hosts.now + 15 * kSecond);
  ASSERT_EQ(lessons.size(), 1u);
  EXPECT_EQ(lessons[0].host, 3u);
  EXPECT_FALSE(hosts.learner.following());
  const auto& errors = lessons[0].restart[kErrors];
  EXPECT_NEAR(excess(errors[0]), 1, .15);
  EXPECT_NEAR(excess(errors[7]), std::exp(-25.0 / 30), .15);
  EXPECT_NEAR(excess(errors[12]), 0, .1);
  EXPECT_GT(excess(lessons[0].restart[kP50][0]), 1.5);  // e^1 times as slow, of a wide hump
  EXPECT_NEAR(excess(lessons[0].restart[kP50][12]), 0, .1);
}

// At 10 s cadence nothing is said about the first seconds: the default holds there.
TEST(WarmupLearner, SlowSamplesSayNothingAboutTheFirstSeconds) {
  Hosts hosts(6);
  hosts.interval_seconds = 10;
  hosts.warming = [](double age) { return std::exp(1.0 * std::exp(-(age + 5) / 30)); };
  hosts.restart(2);
  hosts.run(200);
  const auto lessons = hosts.learner.finished(hosts.now + 15 * kSecond);
  ASSERT_EQ(lessons.size(), 1u);
  const auto& errors = lessons[0].restart[kErrors];
  for (size_t bin = 0; bin < 3; ++bin) EXPECT_EQ(errors[bin].requests, 0) << bin;
  EXPECT_NEAR(excess(errors[judge::warmup_bin(14.5)]), std::exp(-15.0 / 30), .25);
}

TEST(WarmupLearner, AnIncidentOfTheWholeFleetCancelsUntilItIsTooLarge) {
  for (const double factor : {2.0, 6.0}) {
    Hosts hosts(6);
    const int64_t from = hosts.now + 20 * kSecond;
    hosts.everywhere = [=](int64_t now) {
      return now > from && now <= from + 150 * kSecond ? factor : 1.0;
    };
    hosts.restart(3);
    hosts.run(200);
    const auto lessons = hosts.learner.finished(hosts.now + 15 * kSecond);
    ASSERT_EQ(lessons.size(), factor < 3 ? 1u : 0u) << factor;
    if (lessons.empty()) continue;
    EXPECT_NEAR(excess(lessons[0].restart[kErrors][10]), 0, .1);
  }
}

TEST(WarmupLearner, AHostThatEndsOrStartsAnewTeachesNothing) {
  Hosts hosts(6);
  hosts.restart(3);
  hosts.run(100);
  hosts.learner.forget(3);
  hosts.run(100);
  EXPECT_TRUE(hosts.learner.finished(hosts.now + 15 * kSecond).empty());
}

TEST(WarmupLearner, RestartsOfManyHostsAtOnceTeachNothing) {
  Hosts hosts(8);
  for (const uint32_t host : {1u, 2u, 3u}) {
    hosts.restart(host);
    hosts.run(10);
  }
  hosts.restart(4);
  EXPECT_FALSE(hosts.learner.following());
  hosts.run(300);
  EXPECT_TRUE(hosts.learner.finished(hosts.now).empty());
  hosts.restart(5);  // and later it is quiet again
  EXPECT_TRUE(hosts.learner.following());
}

TEST(WarmupLearner, WithoutAPastTrafficOrOtherHostsNothingIsLearnt) {
  Hosts without_past(6);
  without_past.learner.begin(without_past.tracks, 2, "v2", without_past.now);
  EXPECT_FALSE(without_past.learner.following());

  Hosts two(2);
  two.restart(0);
  EXPECT_FALSE(two.learner.following());

  Hosts quiet(6);
  quiet.rate = 0;
  quiet.restart(3);
  quiet.run(200);
  EXPECT_TRUE(quiet.learner.finished(quiet.now + 15 * kSecond).empty());

  Hosts silent(6);
  silent.restart(3);
  silent.run(100);
  silent.tracks[3]->gone = true;
  silent.run(100);
  EXPECT_TRUE(silent.learner.finished(silent.now + 15 * kSecond).empty());
}

// ---- as text

TEST(WarmupJson, WhatIsWrittenIsWhatIsUsed) {
  Hosts hosts(6);
  judge::WarmupProfile profile;
  for (int i = 0; i < 3; ++i) {
    hosts.restart(3);
    hosts.run(215);
    for (const auto& lesson : hosts.learner.finished(hosts.now)) profile.learn(lesson.restart);
  }
  ASSERT_EQ(profile.restarts, 3u);
  const std::string text = to_json(profile);
  EXPECT_LT(text.size(), 4000u);
  const auto read = warmup_from_json(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), text);
  EXPECT_EQ(read->restarts, 3u);
  for (size_t bin = 0; bin < judge::kWarmupBins; ++bin) {
    EXPECT_NEAR(read->excess(judge::WarmupStream::errors)[bin],
                profile.excess(judge::WarmupStream::errors)[bin], 1e-3);
  }
}

TEST(WarmupJson, WhatIsNoProfileIsRefused) {
  const std::string good = to_json(judge::WarmupProfile{});
  EXPECT_TRUE(warmup_from_json(good));
  EXPECT_TRUE(warmup_from_json(R"({"restarts":2,"later":[1]})"));
  for (const char* bad :
       {"", "[]", R"({"restarts":-1})", R"({"remembered":1e99})", R"({"errors":{"ages":[]}})",
        R"({"errors":{"ages":[[1,2,0]]}})", R"({"errors":{"variation":[1]}})"}) {
    EXPECT_FALSE(warmup_from_json(bad)) << bad;
  }
}

}  // namespace
}  // namespace serin::core
