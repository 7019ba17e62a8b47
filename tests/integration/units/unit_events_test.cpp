#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/sampler/sampler.h"
#include "agent/service/systemd_units.h"
#include "common/file.h"
#include "common/log.h"
#include "tests/integration/units/root_hand.h"
#include "tests/unit/agent/fake_uplink.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/temp_folder.h"

// Real units of a real systemd, watched by the real sampler as a user without privileges. Runs on a
// booted host (booted_host) only.

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kKnownWithinUs = 100'000;

class UnitEventsTest : public testing::Test {
 protected:
  UnitEventsTest() {
    for (auto release : {"v1", "v2"}) {
      fs::create_directories(folder_ / "releases" / release);
      fs::copy_file("/bin/sh", folder_ / "releases" / release / "server");
    }
    fs::permissions(folder_.path(), fs::perms::all);
    fs::create_directories(folder_ / "state");
    select("v1");
  }
  ~UnitEventsTest() override {
    sampler_.reset();
    root("systemctl stop api.service other.service 2>/dev/null; systemctl reset-failed");
    root(
        "rm -f /run/systemd/system/api.service /run/systemd/system/other.service; "
        "systemctl daemon-reload");
  }

  static int root(const std::string& command) { return RootHand::run(command); }
  void select(const std::string& release) {
    fs::create_directory_symlink("releases/" + release, folder_ / "next");
    fs::rename(folder_ / "next", folder_ / "current");
  }
  /// `script`: what the service's shell runs, without single quotes.
  void unit(const std::string& script, const std::string& more = "",
            const std::string& name = "api.service") {
    std::string text = fmt::format("[Service]\nExecStart={}/current/server -c '{}'\n{}\n",
                                   folder_.path().string(), script, more);
    write_text(folder_ / name, text);
    ASSERT_EQ(root(fmt::format("cp {}/{} /run/systemd/system/ && systemctl daemon-reload",
                               folder_.path().string(), name)),
              0);
  }
  void start_agent(std::vector<std::string> units = {"api.service"}) {
    sampler_ = std::make_unique<Sampler>(Sampler::Options{.loop = loop_.get(),
                                                          .clock = &clock_,
                                                          .boot_id = "boot",
                                                          .helper = {},
                                                          .state_dir = folder_ / "state",
                                                          .units = &units_},
                                         uplink_);
    ServiceFile file;
    file.name = "api";
    file.process = ServiceFile::ByUnit{std::move(units)};
    file.version = ServiceFile::VersionSymlink{folder_ / "current"};
    auto added = sampler_->add(std::move(file));
    ASSERT_TRUE(added) << added.error().message;
    sampler_->start();
  }
  /// The service runs and has been announced.
  void start_both(const std::string& script = "while :; do sleep 1; done",
                  const std::string& more = "") {
    unit(script, more);
    ASSERT_EQ(root("systemctl start api.service"), 0);
    start_agent();
    ASSERT_TRUE(wait_for_events(1));
    ASSERT_EQ(event(0).kind, EventKind::version_started);
  }
  bool wait_for_events(size_t count) {
    return run_until(loop_, [&] { return uplink_.events.size() >= count; });
  }
  bool wait_for(EventKind kind) {
    return run_until(loop_, [&] { return count(kind) > 0; });
  }
  size_t count(EventKind kind) {
    return static_cast<size_t>(
        std::ranges::count_if(uplink_.events, [&](auto& e) { return e.first.kind == kind; }));
  }
  /// Turns the loop for so long, to see that nothing happens.
  void watch_for(uint64_t ms) {
    bool over = false;
    UvTimer timer(loop_.get(), [&] { over = true; });
    timer.start(ms);
    while (!over) loop_.run_once();
  }
  /// When systemd noticed, by its own time stamp (`property`, CLOCK_MONOTONIC), to when the loop
  /// that just turned knew. A machine that was asleep has other clocks; the tests do not sleep.
  void expect_known_in_time(const char* what, const char* property) {
    uint64_t known_us = uv_hrtime() / 1000;
    auto file = folder_ / "property";
    root(fmt::format("systemctl show --value -p {} api.service > {}", property, file.string()));
    uint64_t noticed_us = std::stoull(read_file(file, 100).value_or("0"));
    ASSERT_GT(noticed_us, 0U);
    ASSERT_GE(known_us, noticed_us);
    fmt::print("{} known after {:.1f} ms\n", what,
               static_cast<double>(known_us - noticed_us) / 1000);
    EXPECT_LE(known_us - noticed_us, kKnownWithinUs) << what;
  }
  const Event& event(size_t index) { return uplink_.events.at(index).first; }

  TempFolder folder_;
  HostClock clock_;
  UvLoop loop_;
  FakeUplink uplink_;
  SystemdUnits units_{loop_.get()};
  std::unique_ptr<Sampler> sampler_;
};

TEST_F(UnitEventsTest, WhatRunsIsAnnouncedUnderItsInvocation) {
  start_both();
  EXPECT_TRUE(event(0).generation.starts_with("api.service:")) << event(0).generation;
  EXPECT_EQ(event(0).generation.size(), std::string("api.service:").size() + 32);
  EXPECT_EQ(event(0).version, "v1");
  sampler_.reset();
  start_agent();  // as after an upgrade of the agent
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).generation, event(0).generation);
}

TEST_F(UnitEventsTest, ACrashAndTheRestartAfterItAreKnownAtOnceAndAreNoFailure) {
  start_both("while :; do sleep 1; done", "Restart=always\nRestartSec=1s");
  root("systemctl kill --kill-who=main -s SEGV api.service");
  ASSERT_TRUE(wait_for_events(2));
  expect_known_in_time("crash", "ExecMainExitTimestampMonotonic");
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_FALSE(event(1).expected);
  EXPECT_EQ(event(1).signal, 11);
  EXPECT_EQ(event(1).generation, event(0).generation);
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(2).kind, EventKind::process_started);
  EXPECT_NE(event(2).generation, event(0).generation);
  expect_known_in_time("restart", "ExecMainStartTimestampMonotonic");
  watch_for(200);
  EXPECT_EQ(count(EventKind::unit_failed), 0U);
}

TEST_F(UnitEventsTest, ACrashLoopIsManyEndsAndOneFailureAtItsStartLimit) {
  start_agent();
  unit("exit 3", "Restart=always\nRestartSec=50ms");
  root("systemctl start api.service");
  ASSERT_TRUE(wait_for(EventKind::unit_failed));
  expect_known_in_time("start limit", "StateChangeTimestampMonotonic");
  size_t ends = 0;
  for (auto& [event, at_us] : uplink_.events) {
    if (event.kind != EventKind::process_died) continue;
    ++ends;
    EXPECT_EQ(event.exit_code, 3);
    EXPECT_FALSE(event.expected);
  }
  EXPECT_GE(ends, 4U);
  EXPECT_LE(ends, 5U);
  EXPECT_THAT(uplink_.events.back().first.reason, testing::HasSubstr("exit-code (exit status 3)"));
  EXPECT_EQ(uplink_.events.back().first.version, "v1");
  watch_for(200);
  EXPECT_EQ(count(EventKind::unit_failed), 1U);
}

TEST_F(UnitEventsTest, AFailureWithoutRestartIsKnownAtOnce) {
  start_both();
  root("systemctl kill --kill-who=main -s KILL api.service");
  ASSERT_TRUE(wait_for_events(3));
  expect_known_in_time("failure", "StateChangeTimestampMonotonic");
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_EQ(event(2).kind, EventKind::unit_failed);
  EXPECT_EQ(event(2).generation, event(0).generation);
}

TEST_F(UnitEventsTest, AStopByHandIsNoFallAndNoFailure) {
  start_both();
  root("systemctl stop api.service");
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_TRUE(event(1).expected);
  watch_for(200);
  EXPECT_EQ(uplink_.events.size(), 2U);
}

TEST_F(UnitEventsTest, AStopThatTheServiceAnswersWithAnErrorIsStillAsked) {
  start_both("trap \"exit 143\" TERM; while :; do sleep 0.05; done");
  root("systemctl stop api.service");
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(1).exit_code, 143);
  watch_for(200);
  EXPECT_EQ(uplink_.events.size(), 2U);
}

TEST_F(UnitEventsTest, AnExitOfItsOwnWasNotAskedForEvenIfItIsClean) {
  start_both("while [ ! -e " + (folder_ / "enough").string() + " ]; do sleep 0.05; done");
  write_text(folder_ / "enough", "");
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_FALSE(event(1).expected);
  EXPECT_EQ(event(1).exit_code, 0);
}

TEST_F(UnitEventsTest, AStopWhileNoAgentLookedIsToldAsAskedWhenItComes) {
  start_both();
  sampler_.reset();
  root("systemctl stop api.service");
  start_agent();
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(1).generation, event(0).generation);
}

TEST_F(UnitEventsTest, ARestartByHandOntoAnotherReleaseIsANewVersion) {
  start_both();
  select("v2");
  root("systemctl restart api.service");
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(2).kind, EventKind::version_started);
  EXPECT_EQ(event(2).version, "v2");
  EXPECT_EQ(event(2).previous, "v1");
}

TEST_F(UnitEventsTest, AReloadIsNoEvent) {
  start_both("while :; do sleep 1; done", "ExecReload=/bin/true");
  root("systemctl reload api.service");
  watch_for(300);
  EXPECT_EQ(uplink_.events.size(), 1U);
}

TEST_F(UnitEventsTest, AProgramThatIsNotThereIsAStartThatFailed) {
  start_both();
  unit("exit 0");
  root(
      "sed -i s,current/server,current/nothing, /run/systemd/system/api.service; "
      "systemctl daemon-reload; systemctl restart api.service");
  ASSERT_TRUE(wait_for(EventKind::unit_failed));
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(uplink_.events.size() - 2).exit_code, 203);
}

TEST_F(UnitEventsTest, ShortLivedChildrenCountAsTheUnits) {
  // Each child burns a little and is gone before the next second.
  start_both(
      "while :; do /bin/sh -c \"i=0; while [ \\$\\$i -lt 20000 ]; do i=\\$\\$((i+1)); "
      "done\"; done");
  auto busy = [&] {
    return std::ranges::any_of(uplink_.samples, [](auto& s) {
      return s.first.phase == Phase::serving && s.first.interval_us > 900'000 &&
             s.first.process.cpu_seconds.value_or(0) > 0.3;
    });
  };
  EXPECT_TRUE(run_until(loop_, busy));
}

TEST_F(UnitEventsTest, DescriptorsOfAnotherUsersServiceAreCounted) {
  start_both("exec 5</dev/null 6</dev/null 7</dev/null; while :; do sleep 1; done");
  auto counted = [&] {
    return std::ranges::any_of(uplink_.samples, [](auto& s) {
      return s.first.process.fds.value_or(0) >= 6 && s.first.process.rss_bytes.value_or(0) > 0;
    });
  };
  EXPECT_TRUE(run_until(loop_, counted));
}

TEST_F(UnitEventsTest, TheNewerOfTwoUnitsIsTheService) {
  unit("while :; do sleep 1; done");
  unit("while :; do sleep 1; done", "", "other.service");
  root("systemctl start api.service");
  start_agent({"api.service", "other.service"});
  ASSERT_TRUE(wait_for_events(1));
  select("v2");
  root("systemctl start other.service");
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(2).version, "v2");
  EXPECT_TRUE(event(2).generation.starts_with("other.service:"));
  root("systemctl stop api.service");
  watch_for(200);
  EXPECT_EQ(uplink_.events.size(), 3U);
}

TEST_F(UnitEventsTest, AfterTheBusWasRestartedACrashIsKnownAgain) {
  start_both("while :; do sleep 1; done", "Restart=always\nRestartSec=100ms");
  root("systemctl restart dbus.service");
  ASSERT_TRUE(run_until(loop_, [&] { return !units_.problem().empty(); }));
  root("systemctl kill --kill-who=main -s KILL api.service");
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_EQ(event(2).kind, EventKind::process_started);
  EXPECT_TRUE(units_.problem().empty()) << units_.problem();
}

TEST_F(UnitEventsTest, AfterSystemdWasReplacedACrashIsKnownAgain) {
  start_both("while :; do sleep 1; done", "Restart=always\nRestartSec=1s");
  ASSERT_EQ(root("systemctl daemon-reexec"), 0);
  watch_for(300);
  root("systemctl kill --kill-who=main -s KILL api.service");
  ASSERT_TRUE(wait_for_events(2));
  expect_known_in_time("crash after daemon-reexec", "ExecMainExitTimestampMonotonic");
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(2).kind, EventKind::process_started);
}

TEST_F(UnitEventsTest, AUnitThatDoesNotExistYetIsSeenOnceItDoes) {
  start_agent();
  watch_for(200);
  EXPECT_TRUE(uplink_.events.empty());
  unit("while :; do sleep 1; done");
  root("systemctl start api.service");
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(event(0).kind, EventKind::version_started);
}

TEST_F(UnitEventsTest, CheckSaysOfEachUnitWhatItIsAndWhatToDo) {
  unit("while :; do sleep 1; done");
  root("systemctl start api.service");
  write_text(folder_ / "agent.toml", fmt::format("[nats]\nurl = [\"nats://127.0.0.1:1\"]\n"
                                                 "[agent]\nstate_dir = \"{}\"\n",
                                                 (folder_ / "state").string()));
  auto service = [&](const std::string& name, const std::string& unit_name) {
    write_text(folder_ / ("services/" + name + ".toml"),
               fmt::format("unit = \"{}\"\nversion = {{ symlink = \"{}\" }}\n", unit_name,
                           (folder_ / "current").string()));
  };
  service("api", "api.service");
  service("ghost", "ghost.service");
  auto said = folder_ / "said";
  std::string command = fmt::format("{}/serin-agent check --config {} --services {} > {} 2>&1",
                                    ::getenv("SERIN_BIN"), (folder_ / "agent.toml").string(),
                                    (folder_ / "services").string(), said.string());
  EXPECT_NE(std::system(command.c_str()), 0);  // no NATS, no helper, no ghost
  std::string text = read_file(said, 65536).value_or("");
  EXPECT_THAT(text, testing::HasSubstr("api.service is active (running)"));
  EXPECT_THAT(text, testing::HasSubstr("system.slice/api.service: "));
  EXPECT_THAT(text, testing::HasSubstr("generation api.service:"));
  EXPECT_THAT(text, testing::HasSubstr("systemd knows no ghost.service"));
  fmt::print("{}", text);
}

}  // namespace
}  // namespace serin::agent

int main(int argc, char** argv) {
  if (::getenv("SERIN_BOOTED_HOST") == nullptr) {
    fmt::print("needs a host that booted with systemd: booted_host {}\n", argv[0]);
    return 77;
  }
  serin::agent::RootHand::start();
  serin::log::set_up("unit_events_test", serin::log::Level::warning);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
