#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/child.h"
#include "tests/unit/agent/sampler_fixture.h"
#include "tests/unit/agent/sender.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

/// A service with two releases, real processes, a pid file and a log; the agent's loop runs for
/// real.
class ServiceWatchTest : public SamplerFixture {
 protected:
  ServiceWatchTest() {
    for (auto release : {"v1", "v2"}) {
      fs::create_directories(folder_ / "releases" / release);
      fs::copy_file("/bin/sleep", folder_ / "releases" / release / "server");
    }
    select("v1");
    write_text(folder_ / "access.log", "");
  }

  void select(const std::string& release) {
    fs::create_directory_symlink("releases/" + release, folder_ / "next");
    fs::rename(folder_ / "next", folder_ / "current");
  }
  Child run_service(const std::string& seconds = "1000") {
    Child child(folder_ / "current/server", seconds);
    write_text(folder_ / "new.pid", fmt::format("{}\n", child.pid()));
    fs::rename(folder_ / "new.pid", folder_ / "api.pid");
    return child;
  }
  ServiceFile service(const TempFolder& folder) const {
    ServiceFile file;
    file.name = "api";
    file.process = ServiceFile::ByPidFile{folder / "api.pid"};
    file.version = ServiceFile::VersionSymlink{folder / "current"};
    file.requests.push_back(
        {.source = "access_log", .path = folder / "access.log", .format = format_});
    file.dead_man = dead_man_;
    if (change_file_) change_file_(file);
    return file;
  }
  void start_agent() { start_sampler({service(folder_)}, {.helper = helper_}); }
  /// A request that ends now.
  void request(int status, double took = 0.001) {
    append_text(folder_ / "access.log",
                fmt::format("{:.3f} {} {:.3f}\n", static_cast<double>(clock_.now().wall_us) / 1e6,
                            status, took));
  }
  uint64_t requests_of(std::string_view version) {
    uint64_t sum = 0;
    for (auto& [sample, end] : uplink_.samples)
      if (sample.version == version && sample.requests && !sample.history)
        sum += sample.requests->requests;
    return sum;
  }

  std::optional<ServiceFile::DeadMan> dead_man_;
  std::function<void(ServiceFile&)> change_file_;
  std::string format_ = "$msec $status $request_time";
  HelperPort helper_;
};

TEST_F(ServiceWatchTest, WhatRunsAlreadyIsAnnouncedWithItsStart) {
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(event(0).kind, EventKind::version_started);
  EXPECT_EQ(event(0).version, "v1");
  EXPECT_EQ(event(0).previous, "");
  EXPECT_EQ(event(0).selected, "v1");
  EXPECT_FALSE(event(0).ambiguous);
  EXPECT_TRUE(event(0).generation.starts_with(fmt::format("boot:{}:", child.pid())));
}

TEST_F(ServiceWatchTest, ANewVersionIsToldWithTheOneBefore) {
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  select("v2");
  child.end();
  child = run_service();
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_EQ(event(1).version, "v1");
  EXPECT_EQ(event(1).generation, event(0).generation);
  EXPECT_TRUE(event(1).expected);  // the next start was to take another version
  EXPECT_EQ(event(2).kind, EventKind::version_started);
  EXPECT_EQ(event(2).version, "v2");
  EXPECT_EQ(event(2).previous, "v1");
  EXPECT_EQ(event(2).cause, Cause::external);
}

TEST_F(ServiceWatchTest, EachStartAndEachEndOfACrashLoopIsOneEvent) {
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  for (size_t round = 0; round < 3; ++round) {
    child.end(SIGSEGV);
    ASSERT_TRUE(wait_for_events(2 + 2 * round));
    EXPECT_EQ(event(1 + 2 * round).kind, EventKind::process_died);
    EXPECT_FALSE(event(1 + 2 * round).expected);
    child = run_service();
    ASSERT_TRUE(wait_for_events(3 + 2 * round));
    EXPECT_EQ(event(2 + 2 * round).kind, EventKind::process_started);
    EXPECT_EQ(event(2 + 2 * round).version, "v1");
  }
  EXPECT_EQ(uplink_.events.size(), 7U);
}

TEST_F(ServiceWatchTest, AProcessThatDiesBeforeAnybodyLooksIsToldAllTheSame) {
  start_agent();
  auto child = run_service("not-a-number");
  child.reap();
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(0).version, "v1");
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_EQ(event(1).generation, event(0).generation);
  child = run_service("not-a-number");
  child.reap();
  ASSERT_TRUE(wait_for_events(4));
  EXPECT_EQ(event(2).kind, EventKind::process_started);
  EXPECT_NE(event(2).generation, event(0).generation);
}

TEST_F(ServiceWatchTest, RequestsGoToTheGenerationThatServedThem) {
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  request(200);
  request(200);
  select("v2");
  child.end();
  ASSERT_TRUE(wait_for_events(2));
  child = run_service();
  ASSERT_TRUE(wait_for_events(3));
  request(200);
  request(500);
  ASSERT_TRUE(run_until(loop_, [&] { return requests_of("v2") == 2; }));
  EXPECT_EQ(requests_of("v1"), 2U);
}

TEST_F(ServiceWatchTest, AnswersWithoutContentLeaveTheFullOnes) {
  format_ = "$status $body_bytes_sent";
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  append_text(folder_ / "access.log", "200 10\n200 0\n204 0\n302 0\n200 30\n");
  ASSERT_TRUE(run_until(loop_, [&] { return requests_of("v1") == 5; }));
  for (auto& [sample, end] : uplink_.samples) {
    if (!sample.requests || sample.history) continue;
    // Without requests it is 0 and there, as a second without it would spoil the sum of ten.
    ASSERT_EQ(sample.counters.size(), 1U);
    EXPECT_EQ(sample.counters[0].name, "full_answers");
    EXPECT_EQ(sample.counters[0].value, sample.requests->requests == 0 ? 0 : 4);
    if (sample.requests->requests == 0) continue;
    ASSERT_EQ(sample.gauges.size(), 1U);
    EXPECT_EQ(sample.gauges[0].value, 8);
  }
}

TEST_F(ServiceWatchTest, WhereOnlyTheBusinessIsCountedRequestsAreAbsentAndNothingIsWaitedFor) {
  std::string socket = folder_ / "statsd.sock";
  change_file_ = [&](ServiceFile& file) {
    file.requests = {{.source = "statsd", .listen = socket}};
    file.business = {{.name = "orders", .metric = {*MetricSelector::parse("shop.orders")}}};
  };
  auto child = run_service();
  start_agent();
  sampler_->attention("api", 1000, 60);
  ASSERT_TRUE(wait_for_events(1));
  ASSERT_TRUE(Sender(socket).send("shop.orders:3|c"));
  double orders = 0;
  size_t looked_at = 0;
  ASSERT_TRUE(run_until(loop_, [&] {
    for (; looked_at < uplink_.samples.size(); ++looked_at) {
      const Sample& sample = uplink_.samples[looked_at].first;
      if (sample.service != "api" || sample.generation.empty() || sample.history) continue;
      EXPECT_EQ(sample.phase, Phase::serving);
      EXPECT_FALSE(sample.requests);
      EXPECT_EQ(std::ranges::count(sample.absent, "requests", &Absent::metric), 1);
      EXPECT_EQ(std::ranges::count(sample.absent, "latency", &Absent::metric), 0);
      for (const auto& counter : sample.counters) orders += counter.value;
    }
    return orders == 3;
  }));
}

TEST_F(ServiceWatchTest, WhatNoSourceCanTellOfTheBusinessIsAbsentAndNotZero) {
  change_file_ = [](ServiceFile& file) {
    file.business = {{.name = "orders", .metric = {*MetricSelector::parse("shop.orders")}}};
  };
  auto child = run_service();
  start_agent();
  sampler_->attention("api", 1000, 60);
  const auto told = [&]() -> const Sample* {
    for (const auto& [sample, end] : uplink_.samples)
      if (sample.service == "api" && !sample.generation.empty() && sample.requests) return &sample;
    return nullptr;
  };
  ASSERT_TRUE(run_until(loop_, [&] { return told() != nullptr; }));
  EXPECT_EQ(std::ranges::count(told()->counters, "orders", &NamedValue::name), 0);
  EXPECT_EQ(std::ranges::count(told()->absent, "orders", &Absent::metric), 1);
}

TEST_F(ServiceWatchTest, WhileNothingRunsSamplesSayDown) {
  start_agent();
  sampler_->attention("api", 1000, 60);
  ASSERT_TRUE(run_until(loop_, [&] {
    return std::ranges::any_of(uplink_.samples, [](auto& s) {
      return s.first.service == "api" && s.first.phase == Phase::down;
    });
  }));
  EXPECT_TRUE(uplink_.events.empty());
}

TEST_F(ServiceWatchTest, ARestartOfTheAgentRepeatsTheSameStartAndCountsNoRequestTwice) {
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  request(200);
  ASSERT_TRUE(run_until(loop_, [&] { return requests_of("v1") == 1; }));
  sampler_.reset();
  request(200);
  start_agent();
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).kind, EventKind::version_started);
  EXPECT_EQ(event(1).generation, event(0).generation);
  EXPECT_EQ(event(1).previous, event(0).previous);
  ASSERT_TRUE(run_until(loop_, [&] { return requests_of("v1") == 2; }));
}

TEST_F(ServiceWatchTest, AStartThatTheHelpersRollbackLedToSaysSo) {
  select("v2");
  auto child = run_service();
  bool acting = false;
  std::vector<HelperStep> steps;
  helper_.acting = [&](const std::string&) { return acting; };
  helper_.call = [&](const HelperRequest&, const HelperPort::Answer& answer) {
    HelperReply reply;
    if (acting)
      reply = {
          .answer = HelperAnswer::in_progress, .command = "ab", .target = "v1", .steps = steps};
    answer(std::move(reply));
  };
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(event(0).cause, Cause::external);
  acting = true;
  steps = {{"accepted", "", clock_.now().wall_us}};
  select("v1");
  child.end();
  child = run_service();
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(2).version, "v1");
  EXPECT_EQ(event(2).cause, Cause::rollback);
}

TEST(LedToStart, SaysWhatTheHelperWasDoing) {
  constexpr int64_t kT = 1'790'000'000'000'000;
  constexpr int64_t kSecond = 1'000'000;
  HelperReply status{.answer = HelperAnswer::in_progress, .command = "ab", .condemned = "v2"};
  status.target = "v1";
  status.steps = {{"accepted", "", kT}};
  EXPECT_EQ(led_to_start(status, "v1", kT + kSecond), Cause::rollback);
  EXPECT_EQ(led_to_start(status, "v2", kT + kSecond), std::nullopt);
  EXPECT_EQ(led_to_start(status, "v1", kT - 5 * kSecond), std::nullopt);
  status.task = HelperTask::dead_man;
  EXPECT_EQ(led_to_start(status, "v1", kT + kSecond), Cause::dead_man);
  status.task = HelperTask::drill;
  status.steps.push_back({"verified", "", kT + 2 * kSecond});
  EXPECT_EQ(led_to_start(status, "v1", kT + kSecond), Cause::drill);
  EXPECT_EQ(led_to_start(status, "v2", kT + 30 * kSecond), Cause::drill) << "it is on its way back";
  status.steps.push_back({"drilled", "", kT + 40 * kSecond});
  EXPECT_EQ(led_to_start(status, "v2", kT + 50 * kSecond), std::nullopt) << "somebody else";
}

TEST_F(ServiceWatchTest, CutOffWithANewVersionThatFailsTheHelperHearsOfIt) {
  std::string told;
  helper_.cut_off = [&](const std::string& name) { told = name; };
  dead_man_ = ServiceFile::DeadMan{.within_seconds = 600};
  auto child = run_service();
  start_agent();
  EXPECT_FALSE(run_until(loop_, [&] { return !told.empty(); })) << "not before ten seconds";
  ASSERT_TRUE(run_until(loop_, [&] { return !told.empty(); }));
  EXPECT_EQ(told, "api");
}

TEST_F(ServiceWatchTest, AnotherVersionIsToldToWhoAsksTheHelper) {
  int started = 0;
  helper_.started = [&](const std::string& name) {
    EXPECT_EQ(name, "api");
    ++started;
  };
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(started, 1);
  child.end();
  child = run_service();
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(2).kind, EventKind::process_started);
  EXPECT_EQ(started, 1) << "the same version";
}

TEST_F(ServiceWatchTest, WhileTheHelperActsOnlyItsTargetsStartIsItsDoing) {
  helper_.acting = [](const std::string&) { return true; };
  helper_.cause_of = [](const std::string&, const std::string& version) {
    return version == "v1" ? std::optional(Cause::rollback) : std::nullopt;
  };
  helper_.call = [](const HelperRequest&, const HelperPort::Answer& answer) {
    answer(fail("it was killed"));
  };
  select("v2");
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(event(0).version, "v2");
  EXPECT_EQ(event(0).cause, Cause::external);
  select("v1");
  child.end();
  child = run_service();
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(2).version, "v1");
  EXPECT_EQ(event(2).cause, Cause::rollback);
}

TEST_F(ServiceWatchTest, ASilentHelperDelaysNothingForEver) {
  auto child = run_service();
  helper_.call = [](const HelperRequest&, const HelperPort::Answer&) {};
  start_agent();
  EXPECT_TRUE(uplink_.events.empty());
  child.end();
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(0).version, "v1");
  EXPECT_EQ(event(1).kind, EventKind::process_died);
}

TEST_F(ServiceWatchTest, ASuccessorWhileTheOldProcessStillRunsTakesOver) {
  auto old_one = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  select("v2");
  auto successor = run_service();
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(2).version, "v2");
}

TEST_F(ServiceWatchTest, TheFarewellIsOneFinalForTheServiceAndOneForTheHost) {
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  sampler_->farewell();
  ASSERT_EQ(uplink_.events.size(), 3U);
  EXPECT_EQ(event(1).kind, EventKind::final_);
  EXPECT_EQ(event(1).service, "api");
  EXPECT_EQ(event(2).service, "_host");
}

TEST_F(ServiceWatchTest, SamplesOfASecondCarryTheProcess) {
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  auto of_v1 = [&] {
    return std::ranges::find_if(uplink_.samples, [](auto& s) {
      return s.first.version == "v1" && s.first.process.rss_bytes;
    });
  };
  ASSERT_TRUE(run_until(loop_, [&] { return of_v1() != uplink_.samples.end(); }));
  const Sample& sample = of_v1()->first;
  EXPECT_EQ(sample.process.threads, 1U);
  EXPECT_TRUE(sample.process.cpu_seconds);
  EXPECT_TRUE(sample.requests);
  EXPECT_EQ(sample.selected, "v1");
  EXPECT_EQ(sample.phase, Phase::starting);
  EXPECT_LE(sample.interval_us, 2'000'000U);
}

}  // namespace
}  // namespace serin::agent
