#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/probe/cgroup_probe.h"
#include "agent/probe/process_probe.h"
#include "agent/probe/service_probe.h"

// What one reading of each probe costs the agent: in a tight loop, and once a second with a sleep
// in between, which is how the agent reads and costs several times as much, since caches are cold
// by then. CPU time of the reading thread. The process that is read has 100 MB, 21 threads and
// 100 descriptors, and a control group of its own where one may be made.

namespace {

namespace fs = std::filesystem;
using namespace serin::agent;

constexpr size_t kMemoryBytes = 100'000'000, kThreads = 21, kDescriptors = 100;
constexpr int kHotRounds = 7;
constexpr auto kPeriod = std::chrono::seconds(1);

struct Reading {
  std::string name;
  std::function<bool()> read;  ///< false: nothing could be read
};
struct Cost {
  std::string name;
  double hot_us = 0, each_second_us = 0;
};

double thread_cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

[[noreturn]] void give_up(std::string_view what) {
  fmt::print(stderr, "serin-bench-probes: {}\n", what);
  std::exit(1);
}

/// What is read: lives until its pipe to us is closed.
[[noreturn]] void be_read(int until_closed, int ready) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<char> memory(kMemoryBytes, 'x');
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < kThreads; ++i) threads.emplace_back([] { ::pause(); });
  for (size_t i = 5; i < kDescriptors; ++i) (void)::open("/dev/null", O_RDONLY);
  (void)!::write(ready, memory.data(), 1);
  char end = 0;
  (void)!::read(until_closed, &end, 1);
  ::_exit(0);
}

class Target {
 public:
  Target() {
    int lives[2], ready[2];
    if (::pipe(lives) != 0 || ::pipe(ready) != 0) give_up("no pipe");
    pid_ = ::fork();
    if (pid_ < 0) give_up("no process to read");
    if (pid_ == 0) {
      ::close(lives[1]);
      be_read(lives[0], ready[1]);
    }
    lives_ = lives[1];
    char begun = 0;
    ::close(ready[1]);
    if (::read(ready[0], &begun, 1) != 1) give_up("the process to read did not start");
    make_group();
  }
  ~Target() {
    ::close(lives_);
    ::waitpid(pid_, nullptr, 0);
    std::error_code error;
    if (!group_.empty()) fs::remove(group_, error);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  /// Empty where none may be made.
  [[nodiscard]] const fs::path& group() const { return group_; }

 private:
  void make_group() {
    for (const auto& root : CgroupRoots::of_this_machine().folders) {
      if (!fs::exists(root / "cgroup.controllers")) continue;  // version 1 counts nothing here
      const fs::path folder = root / fmt::format("serin-bench-probes-{}", pid_);
      std::error_code error;
      if (!fs::create_directory(folder, error)) continue;
      group_ = folder;
      if (std::ofstream(folder / "cgroup.procs") << pid_ << std::flush) return;
      fs::remove(folder, error);
      group_.clear();
    }
  }

  int pid_ = 0, lives_ = -1;
  fs::path group_;
};

template <typename Probe>
Probe opened(serin::Result<Probe> probe) {
  if (!probe) give_up(probe.error().message);
  return std::move(*probe);
}

/// One line for each probe that the agent has.
std::vector<Reading> readings_of(const Target& target) {
  const auto options = ProcessProbe::for_this_machine();
  const auto shared = [](auto probe) {
    return std::make_shared<decltype(probe)>(std::move(probe));
  };
  std::vector<Reading> readings;
  const auto add = [&readings](std::string name, auto probe) {
    readings.push_back({std::move(name), [probe] { return probe->read().has_value(); }});
  };
  add("process", shared(opened(ProcessProbe::open(target.pid(), options))));
  add("service, one process", shared(opened(ServiceProbe::open(target.pid(), {}, options))));
  if (target.group().empty()) {
    fmt::print(stderr, "no control group may be made here: its probes are left out\n");
    return readings;
  }
  add("service, control group",
      shared(opened(ServiceProbe::open(target.pid(), {target.group()}, options))));
  readings.push_back({"control group", [probe = shared(CgroupProbe({target.group()}))] {
                        (void)probe->read();  // what the kernel does not count there is no failure
                        return true;
                      }});
  return readings;
}

double time_of(const Reading& reading, int times) {
  const double begin = thread_cpu_us();
  for (int i = 0; i < times; ++i)
    if (!reading.read()) give_up(reading.name + ": nothing could be read");
  return (thread_cpu_us() - begin) / times;
}

Cost cost_of(const Reading& reading, int readings, int seconds) {
  std::vector<double> hot, each_second;
  for (int round = 0; round < kHotRounds; ++round) hot.push_back(time_of(reading, readings));
  auto due = std::chrono::steady_clock::now();
  for (int second = 0; second < seconds; ++second) {
    std::this_thread::sleep_until(due += kPeriod);
    each_second.push_back(time_of(reading, 1));
  }
  return {reading.name, median(hot), median(each_second)};
}

}  // namespace

int main(int argc, char** argv) {
  int readings = 2000, seconds = 15;
  bool json = false;
  CLI::App app{"CPU of one reading of each probe of the agent"};
  app.add_option("--readings", readings, "in each of seven tight loops")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--seconds", seconds, "of reading once a second, for each probe")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  app.add_flag("--json", json);
  CLI11_PARSE(app, argc, argv);
  const Target target;
  std::vector<Cost> costs;
  for (const auto& reading : readings_of(target))
    costs.push_back(cost_of(reading, readings, seconds));
  if (!json) fmt::print("{:26} {:>8} {:>12}\n", "us of CPU a reading", "hot", "once a second");
  for (const auto& cost : costs)
    fmt::print(
        fmt::runtime(json ? "{{\"probe\":\"{}\",\"hot_us\":{:.2f},\"each_second_us\":{:.2f}}}\n"
                          : "{:26} {:8.2f} {:12.2f}\n"),
        cost.name, cost.hot_us, cost.each_second_us);
  return 0;
}
