#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "agent/probe/service_probe.h"

// The probes on the trees of several kernels and distributions (tests/fixtures/procfs).

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

fs::path hosts() {
  return fs::path(SERIN_SOURCE_DIR) / "tests/fixtures/procfs";
}

std::vector<std::string> host_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(hosts()))
    if (entry.is_directory()) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

struct Expected {
  int32_t pid = 0;
  std::map<std::string, uint64_t> values;
  std::vector<Absent> absent;
};

Expected expected_of(const fs::path& file) {
  Expected expected;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    if (key == "absent") {
      const size_t colon = line.find(": ");
      expected.absent.push_back(
          {.metric = line.substr(7, colon - 7), .reason = line.substr(colon + 2)});
    } else if (key == "pid") {
      words >> expected.pid;
    } else {
      words >> expected.values[key];
    }
  }
  return expected;
}

using Value = std::optional<uint64_t> ProcessReading::*;
const std::map<std::string, Value> kValues = {
    {"cpu_ns", &ProcessReading::cpu_ns},
    {"rss_bytes", &ProcessReading::rss_bytes},
    {"memory_bytes", &ProcessReading::memory_bytes},
    {"threads", &ProcessReading::threads},
    {"processes", &ProcessReading::processes},
    {"fds", &ProcessReading::fds},
    {"fd_limit", &ProcessReading::fd_limit},
    {"voluntary_switches", &ProcessReading::voluntary_switches},
    {"involuntary_switches", &ProcessReading::involuntary_switches},
    {"minor_faults", &ProcessReading::minor_faults},
    {"major_faults", &ProcessReading::major_faults},
    {"read_bytes", &ProcessReading::read_bytes},
    {"written_bytes", &ProcessReading::written_bytes},
    {"run_delay_ns", &ProcessReading::run_delay_ns},
    {"throttled_ns", &ProcessReading::throttled_ns},
    {"oom_kills", &ProcessReading::oom_kills},
    {"cpu_pressure_us", &ProcessReading::cpu_pressure_us},
    {"memory_pressure_us", &ProcessReading::memory_pressure_us},
    {"io_pressure_us", &ProcessReading::io_pressure_us}};

class ProbeHosts : public testing::TestWithParam<std::string> {};

TEST_P(ProbeHosts, EveryFigureIsExactAndEveryAbsenceHasItsReason) {
  const fs::path host = hosts() / GetParam();
  const Expected expected = expected_of(host / "expected");
  const auto roots = CgroupRoots::of_this_machine(host / "cgroup");
  auto probe =
      ServiceProbe::open(expected.pid, cgroup_folders(roots, "/system.slice/api.service"),
                         {.root = host / "proc", .cpu_clock = false, .count_fds_by_size = false});
  ASSERT_TRUE(probe) << probe.error().message;
  const auto reading = probe->read();
  ASSERT_TRUE(reading);
  for (const auto& [name, value] : kValues) {
    const auto known = expected.values.find(name);
    EXPECT_EQ((*reading).*value, known == expected.values.end() ? std::optional<uint64_t>{}
                                                                : std::optional(known->second))
        << name;
  }
  const auto absent = probe->absent();
  ASSERT_EQ(absent.size(), expected.absent.size())
      << (absent.empty() ? "" : absent.back().metric + ": " + absent.back().reason);
  for (size_t i = 0; i < absent.size(); ++i) {
    EXPECT_EQ(absent[i].metric, expected.absent[i].metric);
    EXPECT_THAT(absent[i].reason, testing::HasSubstr(expected.absent[i].reason));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ProbeHosts, testing::ValuesIn(host_names()), [](const auto& host) {
  std::string name = host.param;
  std::ranges::replace_if(
      name, [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

}  // namespace
}  // namespace serin::agent
