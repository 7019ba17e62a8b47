#include "agent/probe/cgroup_probe.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <chrono>
#include <tuple>

#include "agent/probe/service_probe.h"
#include "tests/unit/agent/child.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::ElementsAre;

/// A machine's /sys/fs/cgroup, unified, with one unit.
class CgroupProbeTest : public testing::Test {
 protected:
  CgroupProbeTest() {
    write_text(mounts_ / "cgroup.procs", "1\n");
    write_text(unit_ / "cgroup.procs", "");
    roots_ = CgroupRoots::of_this_machine(mounts_.path());
  }
  void processes(std::initializer_list<pid_t> pids) {
    std::string text;
    for (pid_t pid : pids) text += fmt::format("{}\n", pid);
    write_text(unit_ / "cgroup.procs", text);
  }

  [[nodiscard]] CgroupFolders unit() const {
    return cgroup_folders(roots_, "/system.slice/api.service");
  }

  TempFolder mounts_;
  std::filesystem::path unit_ = mounts_ / "system.slice/api.service";
  CgroupRoots roots_;
};

TEST_F(CgroupProbeTest, AUnitsFolderIsFoundByTheNameSystemdGivesIt) {
  EXPECT_EQ(cgroup_folder(roots_, "/system.slice/api.service"), unit_);
  EXPECT_EQ(cgroup_folder(roots_, "/system.slice/gone.service"), "");
  EXPECT_EQ(cgroup_folder(roots_, ""), "");
  EXPECT_EQ(cgroup_folder(roots_, "/"), "");
}

TEST_F(CgroupProbeTest, OnAHybridMachineTheVersionThatCountsComesFirst) {
  TempFolder hybrid;
  for (auto tree : {"unified", "systemd"})
    write_text(hybrid / (std::string(tree) + "/cgroup.procs"), "");
  write_text(hybrid / "unified/a.service/cgroup.procs", "");
  write_text(hybrid / "systemd/a.service/cgroup.procs", "");
  auto roots = CgroupRoots::of_this_machine(hybrid.path());
  EXPECT_EQ(cgroup_folder(roots, "/a.service"), hybrid / "unified/a.service");
  std::filesystem::remove_all(hybrid / "unified/a.service");
  EXPECT_EQ(cgroup_folder(roots, "/a.service"), hybrid / "systemd/a.service");
}

TEST_F(CgroupProbeTest, ProcessesOfGroupsBelowCountToo) {
  processes({12, 13});
  write_text(unit_ / "worker/cgroup.procs", "14\n");
  EXPECT_THAT(cgroup_processes(unit_, 10), ElementsAre(12, 13, 14));
  EXPECT_THAT(cgroup_processes(unit_, 2), ElementsAre(12, 13));
}

TEST_F(CgroupProbeTest, TheKernelsCountersAreReadWithoutThePageCache) {
  write_text(unit_ / "cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n");
  write_text(unit_ / "memory.stat",
             "anon 4096\nfile 900000\nfile_mapped 8192\npgfault 120\npgmajfault 20\n");
  write_text(unit_ / "pids.current", "17\n");
  write_text(unit_ / "io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2 rios=1\n");
  auto reading = *CgroupProbe(unit()).read();
  EXPECT_EQ(reading.cpu_ns, 1'500'000U);
  EXPECT_EQ(reading.rss_bytes, 12'288U);
  EXPECT_EQ(reading.threads, 17U);
  EXPECT_EQ(reading.minor_faults, 100U);
  EXPECT_EQ(reading.major_faults, 20U);
  EXPECT_EQ(reading.read_bytes, 11U);
  EXPECT_EQ(reading.written_bytes, 22U);
}

TEST_F(CgroupProbeTest, WithoutAControllerItsMetricIsAbsent) {
  auto reading = *CgroupProbe(unit()).read();
  EXPECT_FALSE(reading.cpu_ns);
  EXPECT_FALSE(reading.rss_bytes);
  EXPECT_FALSE(reading.threads);
  EXPECT_FALSE(reading.read_bytes);
}

TEST_F(CgroupProbeTest, AFileThatAnswersWithAnErrorIsAbsentWithItsReasonAndTheRestIsRead) {
  write_text(unit_ / "cpu.stat", "usage_usec 1500\n");
  std::filesystem::create_directory(unit_ / "cpu.pressure");  // any error does: EOPNOTSUPP at psi=0
  CgroupProbe probe(unit());
  EXPECT_EQ(probe.read()->cpu_ns, 1'500'000U);
  EXPECT_FALSE(probe.read()->cpu_pressure_us);
  EXPECT_TRUE(std::ranges::any_of(probe.absent(), [](const Absent& absent) {
    return absent.metric == "pressure" && absent.reason.find("psi=0") != std::string::npos;
  }));
}

TEST_F(CgroupProbeTest, AFileThatDoesNotFitIsAbsentAndNeverHalfASum) {
  std::string devices;
  for (int minor = 0; minor < 400; ++minor)
    devices += fmt::format("8:{} rbytes=1000000 wbytes=1000000 rios=1 wios=1\n", minor);
  write_text(unit_ / "io.stat", devices);
  EXPECT_FALSE(CgroupProbe(unit()).read()->read_bytes);
}

TEST(CgroupProbeVersion1, ZeroReadsAreNotKnownToBeZero) {
  TempFolder mounts;
  for (auto folder : {"systemd", "systemd/a", "blkio", "blkio/a"})
    write_text(mounts.path() / folder / "cgroup.procs", "");
  const auto file = mounts / "blkio/a/blkio.throttle.io_service_bytes";
  write_text(file, "8:0 Read 0\n8:0 Write 0\n8:0 Total 0\nTotal 0\n");
  CgroupProbe probe(cgroup_folders(CgroupRoots::of_this_machine(mounts.path()), "/a"));
  EXPECT_FALSE(probe.read()->read_bytes);
  write_text(file, "8:0 Read 512\n8:0 Write 0\n8:0 Total 512\nTotal 512\n");
  EXPECT_EQ(probe.read()->read_bytes, 512U);
}

TEST_F(CgroupProbeTest, WhatTheKernelDoesNotCountIsSummedOverTheProcesses) {
  Child main("/bin/sleep"), worker("/bin/sleep");
  auto options = ProcessProbe::for_this_machine();
  auto alone = ServiceProbe::open(main.pid(), {}, options);
  auto other = ServiceProbe::open(worker.pid(), {}, options);
  processes({main.pid(), worker.pid()});
  auto whole = ServiceProbe::open(main.pid(), unit(), options);
  ASSERT_TRUE(alone && other && whole);
  // They are still being loaded; once they sleep, two looks see the same.
  const auto figures = [](const auto& reading) {
    return std::tuple(reading->rss_bytes, reading->fds, reading->minor_faults);
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  auto a = alone->read(), b = other->read(), both = whole->read();
  ASSERT_TRUE(a && b && both);
  for (bool still = false; !still && std::chrono::steady_clock::now() < deadline;) {
    const auto before = std::pair(figures(a), figures(b));
    a = alone->read(), b = other->read(), both = whole->read();
    const auto a_after = alone->read(), b_after = other->read();
    ASSERT_TRUE(a && b && both && a_after && b_after);
    still = before == std::pair(figures(a), figures(b)) &&
            before == std::pair(figures(a_after), figures(b_after));
  }
  EXPECT_EQ(both->rss_bytes, *a->rss_bytes + *b->rss_bytes);
  EXPECT_EQ(both->threads, 2U);
  EXPECT_EQ(both->fds, *a->fds + *b->fds);
  EXPECT_EQ(both->minor_faults, *a->minor_faults + *b->minor_faults);
}

TEST_F(CgroupProbeTest, WhatTheKernelCountsIsTakenInsteadOfTheProcesses) {
  Child main("/bin/sleep");
  processes({main.pid()});
  write_text(unit_ / "cpu.stat", "usage_usec 7000000\n");
  auto probe = ServiceProbe::open(main.pid(), unit(), ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->read()->cpu_ns, 7'000'000'000U);
}

TEST_F(CgroupProbeTest, AMemberThatEndsTakesNothingBackFromTheCounters) {
  Child main("/bin/sleep"), worker("/bin/sleep");
  processes({main.pid(), worker.pid()});
  auto probe = ServiceProbe::open(main.pid(), unit(), ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe);
  auto before = probe->read();
  worker.end();
  processes({main.pid()});
  auto after = probe->read();
  ASSERT_TRUE(before && after);
  EXPECT_GE(*after->minor_faults, *before->minor_faults);
  EXPECT_EQ(after->threads, 1U);
}

TEST_F(CgroupProbeTest, AHiddenMainProcessLeavesTheGroupsCounters) {
  TempFolder proc;  // as under hidepid: nothing of the process is there
  write_text(unit_ / "cpu.stat", "usage_usec 5\n");
  Child main("/bin/sleep");
  ProcessProbe::Options options{
      .root = proc.path(), .cpu_clock = false, .count_fds_by_size = false};
  EXPECT_FALSE(ServiceProbe::open(main.pid(), {}, options));
  auto probe = ServiceProbe::open(main.pid(), unit(), options);
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->read()->cpu_ns, 5'000U);
  ASSERT_FALSE(probe->absent().empty());
  EXPECT_THAT(probe->absent().front().reason, testing::HasSubstr("hidepid"));
}

}  // namespace
}  // namespace serin::agent
