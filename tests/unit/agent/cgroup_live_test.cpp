#include <fmt/core.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <sstream>

#include "agent/probe/service_probe.h"
#include "common/file.h"
#include "tests/unit/agent/temp_folder.h"

// The probes on control groups of this machine, made for the test below the one that it runs in.
// Root's; elsewhere these tests are skipped.

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

/// The folder of our own control group in each hierarchy, by controller; "" is version 2.
std::map<std::string, fs::path> own_groups() {
  std::map<std::string, fs::path> groups;
  std::istringstream lines(read_file("/proc/self/cgroup", 65'536).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto path = fs::path(line.substr(second + 1)).relative_path();
    std::istringstream names(line.substr(first + 1, second - first - 1));
    std::string name;
    if (second == first + 1) groups[""] = path;
    while (std::getline(names, name, ',')) groups[name] = path;
  }
  return groups;
}

/// One group in every hierarchy, seen through a folder that leads to our own ones.
class LiveGroup : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path mounts = "/sys/fs/cgroup";
    const auto own = own_groups();
    const bool unified = fs::exists(mounts / "cgroup.procs");
    for (const auto& [name, path] : own) {
      if (unified && name.empty()) {
        mounts_ = mounts / path;
        make(mounts_);
      }
      if (unified) continue;
      const std::string mount = name.empty() ? "unified" : name;
      std::error_code error;
      if (!fs::exists(mounts / mount / path / "cgroup.procs", error)) continue;
      fs::create_directory_symlink(mounts / mount / path, view_ / mount);
      make(view_ / mount);
    }
    if (!unified) mounts_ = view_.path();
    if (made_.empty()) GTEST_SKIP() << "no control group may be made here";
  }
  void TearDown() override {
    children_.clear();
    remove();
  }
  void make(const fs::path& below) {
    std::error_code error;
    if (fs::create_directory(below / name_, error)) made_.push_back(below / name_);
  }
  void remove() {
    for (const auto& folder : made_) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (::rmdir(folder.c_str()) != 0 && errno == EBUSY &&
             std::chrono::steady_clock::now() < until)
        ::sched_yield();
    }
    made_.clear();
  }
  /// Where a file of a controller of version 1 is; empty: there is no such controller.
  [[nodiscard]] fs::path file(const std::string& controller, const std::string& name) const {
    fs::path path = view_ / controller / name_ / name;
    std::error_code error;
    return fs::exists(path, error) ? path : fs::path{};
  }
  [[nodiscard]] CgroupFolders folders() const {
    return cgroup_folders(CgroupRoots::of_this_machine(mounts_), "/" + name_);
  }

  /// In the group from its first step on.
  class Member {
   public:
    Member(const std::vector<fs::path>& groups, const std::function<void()>& work) {
      int go[2];
      if (::pipe(go) != 0) return;
      pid_ = ::fork();
      if (pid_ == 0) {
        char byte = 0;
        if (::read(go[0], &byte, 1) == 1) work();
        ::_exit(0);
      }
      for (const auto& group : groups) write_text(group / "cgroup.procs", std::to_string(pid_));
      if (::write(go[1], "!", 1) != 1) end();
      ::close(go[0]);
      ::close(go[1]);
    }
    ~Member() { end(); }
    Member(Member&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    [[nodiscard]] pid_t pid() const { return pid_; }
    int wait() {
      int status = 0;
      ::waitpid(std::exchange(pid_, -1), &status, 0);
      return status;
    }

   private:
    void end() {
      if (pid_ <= 0) return;
      ::kill(pid_, SIGKILL);
      wait();
    }
    pid_t pid_ = -1;
  };
  Member& start(const std::function<void()>& work) { return children_.emplace_back(made_, work); }

  TempFolder view_;
  fs::path mounts_;
  std::string name_ = fmt::format("serin-probe-{}", ::getpid());
  std::vector<fs::path> made_;
  std::vector<Member> children_;
};

void rest() {
  for (;;) ::pause();
}
void spin() {
  volatile unsigned turns = 0;
  for (;;) {
    unsigned next = turns + 1;
    turns = next;
  }
}

bool soon(const std::function<bool()>& come) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < until) {
    if (come()) return true;
    ::sched_yield();
  }
  return false;
}

TEST_F(LiveGroup, AGroupThatWasRemovedIsGoneAndItsProcessIsSeenAlone) {
  Member& child = start(rest);
  auto probe = ServiceProbe::open(child.pid(), folders(), ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe) << probe.error().message;
  const auto before = probe->read();
  ASSERT_TRUE(before);
  EXPECT_EQ(before->processes, 1U);
  CgroupProbe group(folders());
  EXPECT_TRUE(group.read());
  for (const auto& folder : made_)
    write_text(folder.parent_path() / "cgroup.procs", std::to_string(child.pid()));
  remove();
  EXPECT_FALSE(group.read());
  const auto after = probe->read();
  ASSERT_TRUE(after);
  EXPECT_TRUE(after->rss_bytes);
  EXPECT_FALSE(after->processes);
  EXPECT_FALSE(difference(*before, *after).oom_kills);
}

TEST_F(LiveGroup, WhatAQuotaTakesIsThrottledTimeAndPressure) {
  const auto quota = file("cpu", "cpu.cfs_quota_us");
  if (quota.empty()) GTEST_SKIP() << "no CPU controller of version 1";
  write_text(quota, "5000");
  Member& child = start(spin);
  auto probe = ServiceProbe::open(child.pid(), folders(), ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe) << probe.error().message;
  const auto before = probe->read();
  ASSERT_TRUE(before);
  ASSERT_TRUE(before->throttled_ns);
  EXPECT_TRUE(soon([&] {
    const auto now = probe->read();
    return now && difference(*before, *now).throttled_seconds > 0.1;
  }));
  const auto now = probe->read();
  EXPECT_GT(now->cpu_ns, before->cpu_ns);
  EXPECT_EQ(now->threads, 1U);
  EXPECT_GE(now->cpu_pressure_us, before->cpu_pressure_us);
}

TEST_F(LiveGroup, AChildThatIsKilledForMemoryIsCounted) {
  const auto limit = file("memory", "memory.limit_in_bytes");
  if (limit.empty()) GTEST_SKIP() << "no memory controller of version 1";
  Member& main = start(rest);
  write_text(limit, "16777216");
  auto probe = ServiceProbe::open(main.pid(), folders(), ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe) << probe.error().message;
  const auto before = probe->read();
  ASSERT_TRUE(before && before->oom_kills && before->memory_bytes);
  Member greedy(made_, [] {
    constexpr size_t kBytes = size_t{256} << 20;
    void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) ::_exit(1);
    rest();
  });
  const int status = greedy.wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  const auto after = probe->read();
  ASSERT_TRUE(after);
  EXPECT_EQ(difference(*before, *after).oom_kills, 1U);
}

TEST_F(LiveGroup, WhatShortLivedChildrenUsedIsTheUnits) {
  Member& main = start(rest);
  auto probe = ServiceProbe::open(main.pid(), folders(), ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe) << probe.error().message;
  const auto before = probe->read();
  ASSERT_TRUE(before);
  if (!CgroupProbe(folders()).read()->cpu_ns) GTEST_SKIP() << "nobody counts CPU here";
  Member brief(made_, [] {
    const auto end = ::clock() + CLOCKS_PER_SEC / 5;
    while (::clock() < end) {
    }
  });
  brief.wait();
  EXPECT_GE(difference(*before, *probe->read()).cpu_seconds, 0.19);
}

/// In a child: root hides the processes of others, then becomes nobody. Its exit code says what it
/// saw.
int look_as_nobody(const fs::path& proc, pid_t pid, const CgroupFolders& folders) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", proc.c_str(), "proc", 0, "hidepid=2") != 0 ||
        ::setgroups(0, nullptr) != 0 || ::setresgid(65534, 65534, 65534) != 0 ||
        ::setresuid(65534, 65534, 65534) != 0)
      ::_exit(100);
    const ProcessProbe::Options options{.root = proc, .cpu_clock = false};
    if (ServiceProbe::open(pid, {}, options)) ::_exit(1);
    auto probe = ServiceProbe::open(pid, folders, options);
    if (!probe) ::_exit(2);
    const auto reading = probe->read();
    if (!reading || reading->processes != 1U) ::_exit(3);
    if (reading->run_delay_ns || reading->fds) ::_exit(4);
    const bool told = std::ranges::any_of(probe->absent(), [](const Absent& absent) {
      return absent.metric == "run_delay_seconds" && absent.reason.ends_with("(hidepid)");
    });
    ::_exit(told ? 0 : 5);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

TEST_F(LiveGroup, WhereProcessesAreHiddenTheGroupsFiguresRemain) {
  Member& child = start(rest);
  TempFolder proc;
  fs::permissions(proc.path(), fs::perms::all);
  fs::permissions(view_.path(), fs::perms::all);
  const int seen = look_as_nobody(proc.path(), child.pid(), folders());
  if (seen == 100) GTEST_SKIP() << "/proc may not be mounted here";
  EXPECT_EQ(seen, 0);
}

}  // namespace
}  // namespace serin::agent
