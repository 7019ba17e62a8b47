#include "agent/probe/service_probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

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

std::string hidden(int32_t pid) {
  return fmt::format("/proc/{}: hidden from the agent (hidepid)", pid);
}

}  // namespace

Result<ServiceProbe> ServiceProbe::open(int32_t pid, const CgroupFolders& cgroup,
                                        const ProcessProbe::Options& options) {
  auto main = ProcessProbe::open(pid, options);
  if (main) return ServiceProbe(pid, std::move(*main), cgroup, options);
  if (cgroup.main.empty() || !lives(pid)) return std::unexpected(main.error());
  return ServiceProbe(pid, std::nullopt, cgroup, options);
}

ServiceProbe::ServiceProbe(int32_t pid, std::optional<ProcessProbe> main,
                           const CgroupFolders& cgroup, ProcessProbe::Options options)
    : pid_(pid),
      main_(std::move(main)),
      options_(std::move(options)),
      folder_(cgroup.main),
      run_delay_(options_.root) {
  if (!folder_.empty()) group_.emplace(cgroup);
}

std::optional<ProcessReading> ServiceProbe::read() {
  auto reading = main_ ? main_->read() : std::optional(ProcessReading{});
  if (!reading) return reading;
  pids_ = {pid_};
  if (group_) add_group(*reading);
  add_run_delay(*reading);
  return reading;
}

void ServiceProbe::add_group(ProcessReading& reading) {
  auto whole = group_->read();
  if (!whole) {  // the main process outlived it, somewhere else: from now on it is seen alone
    group_.reset();
    too_many_ = fds_closed_ = io_counted_ = false;
    return;
  }
  pids_ = cgroup_processes(folder_, kMostProcesses + 1);
  too_many_ = pids_.size() > kMostProcesses;
  const bool all_counted =
      whole->cpu_ns && whole->rss_bytes && whole->threads && whole->minor_faults;
  const Sums sums = visit_members(!all_counted);
  add_counted(reading, *whole, sums);
  if (!too_many_) reading.processes = pids_.size();
  fds_closed_ = sums.fds_closed;
  if (fds_closed_ || too_many_) reading.fds.reset();
  if (reading.fds) *reading.fds += sums.fds;
}

void ServiceProbe::add_counted(ProcessReading& reading, const CgroupReading& whole,
                               const Sums& sums) {
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
  io_counted_ = whole.read_bytes.has_value();
  reading.memory_bytes = whole.memory_bytes;
  reading.throttled_ns = whole.throttled_ns;
  reading.oom_kills = whole.oom_kills;
  reading.cpu_pressure_us = whole.cpu_pressure_us;
  reading.memory_pressure_us = whole.memory_pressure_us;
  reading.io_pressure_us = whole.io_pressure_us;
}

void ServiceProbe::add_run_delay(ProcessReading& reading) {
  if (main_ && reading.threads) reading.run_delay_ns = run_delay_.read(pids_, *reading.threads);
}

/// `counters`: the kernel does not count all of it for the group.
ServiceProbe::Sums ServiceProbe::visit_members(bool counters) {
  Sums sums;
  for (auto& [pid, member] : members_) member.seen = false;
  for (int32_t pid : pids_)
    if (pid != pid_) visit(pid, counters, sums);
  std::erase_if(members_, [](const auto& entry) { return !entry.second.seen; });
  return sums;
}

void ServiceProbe::visit(int32_t pid, bool counters, Sums& sums) {
  auto process = options_.root / std::to_string(pid);
  Member& member = members_[pid];
  if (counters && !visit_counters(process, member, sums)) return;
  member.seen = true;
  auto fds = count_fds(process / "fd", member);
  if (fds) {
    sums.fds += *fds;
  } else {
    std::error_code error;
    sums.fds_closed = sums.fds_closed || std::filesystem::exists(process, error);
  }
}

std::optional<uint64_t> ServiceProbe::count_fds(const std::filesystem::path& folder,
                                                Member& member) {
  if (!options_.count_fds_by_size) return member.fd_listing.count(AT_FDCWD, folder.c_str());
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return std::nullopt;
  return static_cast<uint64_t>(info.st_size);
}

/// False: it ended meanwhile.
bool ServiceProbe::visit_counters(const std::filesystem::path& process, Member& member,
                                  Sums& sums) {
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  static const uint64_t ns_per_tick =
      1'000'000'000U / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  auto text = read_file(process / "stat", kMaxStatBytes);
  auto stat = text ? parse_stat(*text) : std::nullopt;
  if (!stat) return false;
  if (member.start_ticks != stat->start_ticks) member = {.start_ticks = stat->start_ticks};
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

std::optional<uint64_t> ServiceProbe::oom_kills() {
  if (!group_) return std::nullopt;
  return group_->read().value_or(CgroupReading{}).oom_kills;
}

std::vector<Absent> ServiceProbe::absent() const {
  std::vector<Absent> absent;
  if (main_) absent = main_->absent();
  if (io_counted_) std::erase_if(absent, [](const Absent& a) { return a.metric == "io_bytes"; });
  add_fds_absent(absent);
  add_group_absent(absent);
  if (!main_) {
    absent.push_back({.metric = "run_delay_seconds", .reason = hidden(pid_)});
  } else if (!run_delay_.problem().empty()) {
    absent.push_back({.metric = "run_delay_seconds", .reason = run_delay_.problem()});
  }
  return absent;
}

void ServiceProbe::add_fds_absent(std::vector<Absent>& absent) const {
  if (!main_) absent.push_back({.metric = "fds", .reason = hidden(pid_)});
  if (too_many_)
    absent.push_back({.metric = "fds",
                      .reason = fmt::format("the unit has more than {} processes; memory and "
                                            "threads may be those of the first ones",
                                            kMostProcesses)});
  else if (fds_closed_)
    absent.push_back(
        {.metric = "fds", .reason = "those of the unit's other processes may not be counted"});
}

void ServiceProbe::add_group_absent(std::vector<Absent>& absent) const {
  if (group_) {
    std::ranges::copy(group_->absent(), std::back_inserter(absent));
    return;
  }
  absent.push_back(
      {.metric = "memory_bytes",
       .reason = folder_.empty() ? "this, pressure, throttling and OOM kills are counted for units "
                                   "only; the service is not found by its unit"
                                 : "the unit's control group is gone; this, pressure, throttling "
                                   "and OOM kills went with it"});
}

}  // namespace serin::agent
