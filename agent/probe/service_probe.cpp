#include "agent/probe/service_probe.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/probe/proc_parse.h"

namespace serin::agent {
namespace {

constexpr size_t kMaxStatBytes = 4096;

/// The larger count of two readings of one process's counter; it never falls.
uint64_t since(uint64_t now, uint64_t before) {
  return now > before ? now - before : 0;
}

/// Other users' processes may be hidden, but not whether they are there.
bool lives(int32_t pid) {
  return ::kill(pid, 0) == 0 || errno == EPERM;
}

}  // namespace

Result<ServiceProbe> ServiceProbe::open(int32_t pid, const std::filesystem::path& cgroup,
                                        const ProcessProbe::Options& options) {
  auto main = ProcessProbe::open(pid, options);
  if (main) return ServiceProbe(pid, std::move(*main), cgroup, options);
  if (cgroup.empty() || !lives(pid)) return std::unexpected(main.error());
  return ServiceProbe(pid, std::nullopt, cgroup, options);
}

std::optional<ProcessReading> ServiceProbe::read() {
  auto reading = main_ ? main_->read() : std::optional(ProcessReading{});
  if (reading && group_) add_group(*reading);
  return reading;
}

void ServiceProbe::add_group(ProcessReading& reading) {
  CgroupReading whole = group_->read();
  bool all_counted = whole.cpu_ns && whole.rss_bytes && whole.threads && whole.minor_faults;
  Sums sums = visit_members(!all_counted);
  auto add = [](std::optional<uint64_t>& value, const std::optional<uint64_t>& counted,
                uint64_t of_members) {
    if (counted) {
      value = counted;
    } else if (value) {
      *value += of_members;
    }
  };
  add(reading.cpu_ns, whole.cpu_ns, members_cpu_ns_);
  add(reading.rss_bytes, whole.rss_bytes, sums.rss_bytes);
  add(reading.threads, whole.threads, sums.threads);
  add(reading.minor_faults, whole.minor_faults, members_minor_faults_);
  add(reading.major_faults, whole.major_faults, members_major_faults_);
  if (whole.read_bytes) reading.read_bytes = whole.read_bytes;
  if (whole.written_bytes) reading.written_bytes = whole.written_bytes;
  fds_closed_ = sums.fds_closed;
  if (fds_closed_ || too_many_) reading.fds.reset();
  if (reading.fds) *reading.fds += sums.fds;
}

/// `counters`: the kernel does not count all of it for the group.
ServiceProbe::Sums ServiceProbe::visit_members(bool counters) {
  Sums sums;
  for (auto& [pid, member] : members_) member.seen = false;
  auto pids = cgroup_processes(folder_, kMostProcesses + 1);
  too_many_ = pids.size() > kMostProcesses;
  for (int32_t pid : pids)
    if (pid != pid_) visit(pid, counters, sums);
  std::erase_if(members_, [](const auto& entry) { return !entry.second.seen; });
  return sums;
}

void ServiceProbe::visit(int32_t pid, bool counters, Sums& sums) {
  auto process = options_.root / std::to_string(pid);
  if (counters && !visit_counters(pid, process, sums)) return;
  auto fds = count_fds(process / "fd", options_);
  if (fds) {
    sums.fds += *fds;
  } else {
    std::error_code error;
    sums.fds_closed = sums.fds_closed || std::filesystem::exists(process, error);
  }
}

/// False: it ended meanwhile.
bool ServiceProbe::visit_counters(int32_t pid, const std::filesystem::path& process, Sums& sums) {
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  static const uint64_t ns_per_tick =
      1'000'000'000U / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  auto text = read_file(process / "stat", kMaxStatBytes);
  auto stat = text ? parse_stat(*text) : std::nullopt;
  if (!stat) return false;
  Member& member = members_[pid];
  if (member.start_ticks != stat->start_ticks) member = {.start_ticks = stat->start_ticks};
  member.seen = true;
  uint64_t cpu_ns = stat->cpu_ticks * ns_per_tick;
  members_cpu_ns_ += since(cpu_ns, std::exchange(member.cpu_ns, cpu_ns));
  members_minor_faults_ +=
      since(stat->minor_faults, std::exchange(member.minor_faults, stat->minor_faults));
  members_major_faults_ +=
      since(stat->major_faults, std::exchange(member.major_faults, stat->major_faults));
  sums.threads += stat->threads;
  if (auto statm = read_file(process / "statm", kMaxStatBytes))
    if (auto pages = parse_statm_resident(*statm)) sums.rss_bytes += *pages * page;
  return true;
}

std::vector<Absent> ServiceProbe::absent() const {
  std::vector<Absent> absent;
  if (main_) absent = main_->absent();
  if (!main_)
    absent.push_back({.metric = "fds",
                      .reason = fmt::format("/proc/{}: hidden from the agent (hidepid)", pid_)});
  if (too_many_)
    absent.push_back({.metric = "fds",
                      .reason = fmt::format("the unit has more than {} processes; memory and "
                                            "threads may be those of the first ones",
                                            kMostProcesses)});
  else if (fds_closed_)
    absent.push_back(
        {.metric = "fds", .reason = "those of the unit's other processes may not be counted"});
  return absent;
}

}  // namespace serin::agent
