#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "aggregator/core/fold.h"

// A version that passed is watched on for leaks.

namespace serin::core {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'000'000 * kSecond;
constexpr int kHosts = 6;
constexpr int kEvery = 10;  // seconds a sample

/// Host 0 goes to v2, which a person passes after a minute; memory of v2 rises by `leak` a second.
class Fleet {
 public:
  explicit Fleet(const std::string& policy = "{}")
      : fold_(*policy_from_json(R"({"default":)" + policy + "}")) {
    for (int host = 0; host < kHosts; ++host) start(host, "v1");
    run(300, 0);
    start(0, "v2");
    run(60, 0);
    Control pass;
    pass.kind = ControlKind::act;
    pass.act = Act::pass;
    pass.service = "api";
    pass.deploy = fold_.deploys().at(0).id;
    pass.actor = "alice";
    give(std::move(pass));
  }

  void run(int seconds, double leak) {
    for (int second = 0; second < seconds; ++second) {
      now_ += kSecond;
      for (int host = 0; host < kHosts; ++host) {
        if ((now_ / kSecond + host) % kEvery == 0) report(host, leak);
      }
      give(Control{.kind = ControlKind::clock});
    }
  }
  void start(int host, const std::string& version) {
    Event e;
    e.from = from(host);
    e.service = "api";
    e.previous = runs_[static_cast<size_t>(host)];
    e.version = e.generation = runs_[static_cast<size_t>(host)] = version;
    give(std::move(e));
    started_[static_cast<size_t>(host)] = now_;
  }
  DeployView deploy() const { return *fold_.deploy(fold_.deploys().back().id); }
  [[nodiscard]] int64_t now() const { return now_; }
  bool noted(const std::string& kind) const {
    return std::ranges::count(deploy().timeline, kind, &TimelineEntry::kind) > 0;
  }

 private:
  Identity from(int host) {
    return {"web-0" + std::to_string(host), "boot", 1, ++sequence_[static_cast<size_t>(host)]};
  }
  void give(std::variant<Sample, Event, Control> body) {
    fold_.step({.seq = ++seq_, .stored_us = now_, .body = std::move(body)});
  }
  void report(int host, double leak) {
    const auto i = static_cast<size_t>(host);
    if (runs_[i] == "v2") leaked_ += leak * kEvery;
    Sample s;
    s.from = from(host);
    s.service = "api";
    s.version = s.generation = runs_[i];
    s.interval_us = kEvery * kSecond;
    s.process_age_us = static_cast<uint64_t>(std::max<int64_t>(now_ - started_[i] - kEvery * kSecond, 0));
    const double noise = std::normal_distribution<double>(0, 2e6)(random_);
    s.process.rss_bytes = static_cast<uint64_t>(200e6 + 5e6 * host + noise + (runs_[i] == "v2" ? leaked_ : 0));
    s.process.fds = 60;
    s.process.threads = 9;
    s.requests = RequestMetrics{.requests = 500, .errors = 1};
    give(std::move(s));
  }

  Fold fold_;
  int64_t now_ = kStart;
  uint64_t seq_ = 0;
  double leaked_ = 0;
  std::array<std::string, kHosts> runs_;
  std::array<int64_t, kHosts> started_{};
  std::array<uint64_t, kHosts> sequence_{};
  std::mt19937_64 random_{5};
};

TEST(Soak, ALeakThatShowsAfterThePassIsPutBack) {
  Fleet fleet;
  EXPECT_EQ(fleet.deploy().state, DeployState::passed);
  EXPECT_TRUE(fleet.noted("soaking"));
  fleet.run(40 * 60, 1e6);
  const auto deploy = fleet.deploy();
  EXPECT_EQ(deploy.verdict, "rollback");
  EXPECT_EQ(deploy.reason.metric, "rss_bytes");
  EXPECT_EQ(deploy.state, DeployState::rolling_back);
  EXPECT_EQ(deploy.hosts.at(0).target, "v1");
}

TEST(Soak, AHealthyVersionStaysPassedAndIsSaidToBe) {
  Fleet fleet;
  fleet.run(62 * 60, 0);
  EXPECT_EQ(fleet.deploy().state, DeployState::passed);
  EXPECT_EQ(fleet.deploy().verdict, "pass");
  EXPECT_TRUE(fleet.noted("soaked"));
}

TEST(Soak, WithoutATimeForItNothingIsWatchedOn) {
  Fleet fleet(R"({"soak":0})");
  EXPECT_FALSE(fleet.noted("soaking"));
  fleet.run(40 * 60, 1e6);
  EXPECT_EQ(fleet.deploy().state, DeployState::passed);
}

TEST(Soak, EndsWhenItsHostsRunSomethingElse) {
  Fleet fleet;
  fleet.run(120, 0);
  fleet.start(0, "v1");
  fleet.run(62 * 60, 1e6);
  EXPECT_EQ(fleet.deploy().state, DeployState::passed);
  EXPECT_FALSE(fleet.noted("soaked"));
}

TEST(Soak, UnderAPolicyThatOnlyRecommendsPeopleAreAsked) {
  Fleet fleet(R"({"mode":"recommend"})");
  fleet.run(40 * 60, 1e6);
  EXPECT_EQ(fleet.deploy().verdict, "rollback");
  EXPECT_EQ(fleet.deploy().state, DeployState::frozen);
}

}  // namespace
}  // namespace serin::core
