#include "agent/sampler/unit_check.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace serin::agent {
namespace {

using Line = ServiceCheck::Line;
constexpr size_t kMostProcesses = 10'000;

Line load_line(const UnitWord& word) {
  const std::string& unit = word.unit;
  if (word.load_state == "not-found")
    return {Line::Mark::bad, "unit", fmt::format("systemd knows no {}", unit),
            "is the name right (systemctl list-units --type=service)? A new unit file needs "
            "systemctl daemon-reload"};
  if (word.load_state == "masked")
    return {Line::Mark::bad, "unit", fmt::format("{} is masked and cannot be started", unit),
            fmt::format("systemctl unmask {}", unit)};
  if (word.load_state != "loaded")
    return {Line::Mark::bad, "unit",
            fmt::format("{}: {}: {}", unit, word.load_state,
                        word.load_error.empty() ? "no reason given" : word.load_error),
            fmt::format("systemd-analyze verify {}", unit)};
  std::string state = fmt::format("{} is {} ({})", unit, word.active_state, word.sub_state);
  if (word.active_state == "failed")
    return {Line::Mark::bad, "unit", fmt::format("{}: {}", state, word.result),
            fmt::format("journalctl -u {} says why; then systemctl start {}", unit, unit)};
  if (word.active_state == "inactive")
    return {Line::Mark::note, "unit", state, fmt::format("systemctl start {}", unit)};
  if (word.restarts > 0)
    state += fmt::format(", restarted by systemd {} times since it was started", word.restarts);
  return {Line::Mark::good, "unit", state};
}

Line cgroup_line(const UnitWord& word, const CgroupRoots& roots) {
  const auto folders = cgroup_folders(roots, word.cgroup);
  const auto& folder = folders.main;
  if (folder.empty())
    return {Line::Mark::bad, "cgroup",
            fmt::format("{} cannot be read: the main process is watched alone",
                        word.cgroup.empty() ? "the unit's" : word.cgroup),
            "is /sys/fs/cgroup mounted, and may this user read it (no InaccessiblePaths= there)?"};
  const auto reading = CgroupProbe(folders).read().value_or(CgroupReading{});
  std::vector<std::string> summed;
  if (!reading.cpu_ns) summed.emplace_back("CPU");
  if (!reading.rss_bytes) summed.emplace_back("memory");
  if (!reading.threads) summed.emplace_back("threads");
  std::string text = fmt::format("{}: {} processes", folder.string(),
                                 cgroup_processes(folder, kMostProcesses).size());
  if (!summed.empty())
    text += fmt::format("; the kernel does not count {} there: summed over the processes",
                        fmt::join(summed, ", "));
  return {reading.cpu_ns ? Line::Mark::good : Line::Mark::note, "cgroup", text,
          reading.cpu_ns ? ""
                         : fmt::format("systemctl set-property {} CPUAccounting=yes "
                                       "MemoryAccounting=yes; or boot with cgroup v2",
                                       word.unit)};
}

}  // namespace

std::vector<Line> check_unit(const std::string& unit, const std::optional<UnitWord>& word,
                             const std::string& problem, const CgroupRoots& roots) {
  if (!word)
    return {
        {Line::Mark::bad, "unit",
         fmt::format("{}: {}", unit, problem.empty() ? "systemd did not answer in time" : problem),
         "systemctl start dbus.socket (a host needs the package dbus)"}};
  std::vector<Line> lines{load_line(*word)};
  if (word->is_active() || word->main_pid != 0) lines.push_back(cgroup_line(*word, roots));
  return lines;
}

}  // namespace serin::agent
