#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/agent/child.h"
#include "tests/unit/agent/sampler_fixture.h"
#include "tests/unit/agent/scripted_units.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

/// A service by unit whose manager is scripted; its processes, its control group's files and the
/// loop are real.
class UnitWatchTest : public SamplerFixture {
 protected:
  UnitWatchTest() {
    fs::create_directories(folder_ / "releases/v1");
    fs::copy_file("/bin/sleep", folder_ / "releases/v1/server");
    fs::create_directory_symlink("releases/v1", folder_ / "current");
    write_text(folder_ / "access.log", "");
    write_text(folder_ / "cgroup/cgroup.procs", "");
    write_text(folder_ / "cgroup/a/cgroup.events", "populated 1\n");
    write_text(folder_ / "cgroup/a/memory.events", "oom_kill 0\n");
  }
  ~UnitWatchTest() override { sampler_.reset(); }

  void start_agent(std::vector<std::string> units = {"api.service"}) {
    ServiceFile file;
    file.name = "api";
    file.process = ServiceFile::ByUnit{std::move(units)};
    file.version = ServiceFile::VersionSymlink{folder_ / "current"};
    file.requests.push_back({.source = "access_log",
                             .path = folder_ / "access.log",
                             .format = "$msec $status $request_time"});
    start_sampler({std::move(file)},
                  {.units = &units_, .cgroups = CgroupRoots::of_this_machine(folder_ / "cgroup")});
    sampler_->attention("api", 1000, 60);
  }
  UnitWord runs(const Child& child, const std::string& invocation,
                const std::string& unit = "api.service") {
    auto word = running_unit(unit, invocation, child.pid(), ++time_us_);
    word.cgroup = "/a";
    word.main_start_wall_us = clock_.now().wall_us - 1'000'000;
    return word;
  }

  ScriptedUnits units_;
  uint64_t time_us_ = 1'000'000;
};

TEST_F(UnitWatchTest, AsLongAsTheManagerIsSilentNothingIsSaidToBeDown) {
  units_.trouble = "no bus";
  start_agent();
  EXPECT_TRUE(wait_for_sample([](const Sample& s) {
    return s.phase == Phase::unattributed &&
           std::ranges::any_of(s.absent, [](auto& a) { return a.reason == "no bus"; });
  }));
  EXPECT_FALSE(
      std::ranges::any_of(uplink_.samples, [](auto& s) { return s.first.phase == Phase::down; }));
}

TEST_F(UnitWatchTest, TheEndWaitsForTheUnitsWordOfHowAndWhy) {
  Child child(folder_ / "current/server");
  start_agent();
  auto word = runs(child, "a1");
  units_.say(word);
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(event(0).generation, "api.service:a1");
  child.end(SIGTERM);
  ASSERT_TRUE(run_until(loop_, [&] { return !units_.asked.empty(); }));
  EXPECT_EQ(uplink_.events.size(), 1U);
  units_.say(stopped_unit(word, 2'000'000, 3'000'000));
  ASSERT_EQ(uplink_.events.size(), 2U);
  EXPECT_TRUE(event(1).expected);
  EXPECT_EQ(event(1).signal, 15);
}

TEST_F(UnitWatchTest, AnEndOfWhichTheUnitSaysNothingIsToldWithin100Milliseconds) {
  Child child(folder_ / "current/server");
  start_agent();
  units_.say(runs(child, "a1"));
  ASSERT_TRUE(wait_for_events(1));
  child.end();
  uint64_t before_us = clock_.now().boot_us;
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_FALSE(event(1).expected);
  EXPECT_GE(clock_.now().boot_us - before_us, 70'000U);
  EXPECT_LE(uplink_.events[1].second, before_us + 70'000);  // it is dated as of when it ended
}

TEST_F(UnitWatchTest, AFailureNamesTheVersionThatRanLast) {
  Child child(folder_ / "current/server");
  start_agent();
  auto word = runs(child, "a1");
  units_.say(word);
  ASSERT_TRUE(wait_for_events(1));
  auto failed = stopped_unit(word, 0, 3'000'000);
  failed.active_state = "failed";
  failed.result = "exit-code";
  failed.exit_kind = 1;
  failed.exit_value = 3;
  units_.say(failed);
  ASSERT_EQ(uplink_.events.size(), 3U);
  EXPECT_EQ(event(1).exit_code, 3);
  EXPECT_EQ(event(1).reason, "exit-code");
  EXPECT_EQ(event(2).kind, EventKind::unit_failed);
  EXPECT_EQ(event(2).version, "v1");
  EXPECT_EQ(event(2).reason, "exit-code (exit status 3)");
}

TEST_F(UnitWatchTest, AChildKilledForMemoryIsToldWhileTheServiceLivesOn) {
  Child child(folder_ / "current/server");
  start_agent();
  units_.say(runs(child, "a1"));
  ASSERT_TRUE(wait_for_events(1));
  write_text(folder_ / "cgroup/a/memory.events", "oom_kill 1\n");
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).kind, EventKind::facts);
  EXPECT_EQ(event(1).version, "v1");
  EXPECT_THAT(event(1).facts,
              testing::ElementsAre(std::pair<std::string, std::string>("oom_kills", "1")));
}

TEST_F(UnitWatchTest, AKillForMemoryIsInTheSampleAndToldOnce) {
  Child child(folder_ / "current/server");
  start_agent();
  units_.say(runs(child, "a1"));
  ASSERT_TRUE(wait_for_events(1));
  write_text(folder_ / "cgroup/a/memory.events", "oom_kill 2\n");
  ASSERT_TRUE(wait_for_sample([](const Sample& s) { return s.process.oom_kills == 2U; }));
  ASSERT_TRUE(wait_for_sample([](const Sample& s) { return s.process.oom_kills == 0U; }));
  EXPECT_EQ(uplink_.events.size(), 2U);
}

/// Version 1: processes are listed in one place and memory is counted in another.
class OldUnitWatchTest : public UnitWatchTest {
 protected:
  OldUnitWatchTest() {
    fs::remove_all(folder_ / "cgroup");
    for (auto folder : {"systemd", "systemd/a", "memory", "memory/a"})
      write_text(folder_ / "cgroup" / folder / "cgroup.procs", "");
    kills(0);
  }
  void kills(int count) {
    write_text(folder_ / "cgroup/memory/a/memory.oom_control",
               "oom_kill_disable 0\nunder_oom 0\noom_kill " + std::to_string(count) + "\n");
  }
};

TEST_F(OldUnitWatchTest, AChildKilledForMemoryIsToldFromTheCount) {
  Child child(folder_ / "current/server");
  start_agent();
  units_.say(runs(child, "a1"));
  ASSERT_TRUE(wait_for_sample([](const Sample& s) { return s.process.oom_kills == 0U; }));
  kills(1);
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(1).kind, EventKind::facts);
  EXPECT_THAT(event(1).facts,
              testing::ElementsAre(std::pair<std::string, std::string>("oom_kills", "1")));
}

TEST_F(OldUnitWatchTest, AServiceThatIsItselfKilledForMemoryIsToldBeforeItsEnd) {
  Child child(folder_ / "current/server");
  start_agent();
  units_.say(runs(child, "a1"));
  ASSERT_TRUE(wait_for_sample([](const Sample& s) { return s.process.oom_kills == 0U; }));
  kills(1);
  child.end();
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(1).kind, EventKind::facts);
  EXPECT_EQ(event(1).facts.front().first, "oom_kills");
  EXPECT_EQ(event(2).kind, EventKind::process_died);
}

TEST_F(UnitWatchTest, RequestsWhileTwoUnitsShareALogAreNobodys) {
  Child blue(folder_ / "current/server"), green(folder_ / "current/server");
  start_agent({"blue.service", "green.service"});
  units_.say(runs(blue, "b1", "blue.service"));
  ASSERT_TRUE(wait_for_events(1));
  units_.say(runs(green, "g1", "green.service"));
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_TRUE(wait_for_sample([](const Sample& s) {
    return s.phase == Phase::unattributed && s.generation == "green.service:g1";
  }));
}

TEST_F(UnitWatchTest, TheUnitsCpuIsThatOfItsControlGroup) {
  Child child(folder_ / "current/server");
  write_text(folder_ / "cgroup/a/cpu.stat", "usage_usec 1000000\n");
  start_agent();
  units_.say(runs(child, "a1"));
  ASSERT_TRUE(wait_for_events(1));
  write_text(folder_ / "cgroup/a/cpu.stat", "usage_usec 1250000\n");
  EXPECT_TRUE(wait_for_sample([](const Sample& s) { return s.process.cpu_seconds == 0.25; }));
}

}  // namespace
}  // namespace serin::agent
