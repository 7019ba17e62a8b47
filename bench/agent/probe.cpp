#include <fmt/core.h>
#include <time.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/probe/service_probe.h"

// What one look at a service costs the agent: its main process alone, and with its control group.
// CPU of this thread; hot, as looks follow one another at once, and with a pause before each, as
// the agent makes them: then most of the cost is in caches that others have used meanwhile.

namespace {

using namespace serin::agent;

double thread_cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// Of several rounds the median, in µs a look.
double cost_of_look(ServiceProbe& probe, size_t looks, useconds_t pause_us) {
  std::vector<double> spent;
  for (size_t i = 0; i < looks; ++i) {
    if (pause_us > 0) ::usleep(pause_us);
    const double before_us = thread_cpu_us();
    if (!probe.read()) return 0;
    spent.push_back(thread_cpu_us() - before_us);
  }
  std::ranges::nth_element(spent, spent.begin() + static_cast<ptrdiff_t>(looks / 2));
  return spent[looks / 2];
}

void measure(std::string_view what, int32_t pid, const CgroupFolders& folders, size_t looks) {
  auto probe = ServiceProbe::open(pid, folders, ProcessProbe::for_this_machine());
  if (!probe) return fmt::print("{}: {}\n", what, probe.error().message);
  fmt::print("{:<28} {:6.1f} us hot, {:6.1f} us after a pause\n", what,
             cost_of_look(*probe, looks, 0), cost_of_look(*probe, looks / 100, 20'000));
  for (const auto& absent : probe->absent())
    fmt::print("  without {}: {}\n", absent.metric, absent.reason);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What one look at a service costs");
  int32_t pid = ::getpid();
  std::string mounts = "/sys/fs/cgroup", cgroup;
  size_t looks = 10'000;
  app.add_option("--pid", pid, "the main process");
  app.add_option("--mounts", mounts, "where the control groups are mounted");
  app.add_option("--cgroup", cgroup, "as systemd names it: /system.slice/api.service");
  app.add_option("--looks", looks);
  CLI11_PARSE(app, argc, argv);
  measure("process", pid, {}, looks);
  const auto folders = cgroup_folders(CgroupRoots::of_this_machine(mounts), cgroup);
  if (!folders.main.empty()) measure("unit", pid, folders, looks);
  return 0;
}
