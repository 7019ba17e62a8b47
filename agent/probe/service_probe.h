#pragma once

#include <map>
#include <optional>
#include <vector>

#include "agent/probe/cgroup_probe.h"
#include "agent/probe/fd_listing.h"
#include "agent/probe/process_probe.h"
#include "agent/probe/run_delay.h"

namespace serin::agent {

/// Reads what a service uses: its main process alone, or the whole control group of its unit.
/// Of a unit, CPU, memory, threads, faults and I/O come from the group's own counters, which hold
/// what short-lived children used; what the kernel does not count there is summed over the
/// processes that live. Pressure, throttling and OOM kills only the group has. Context switches and
/// the limit of descriptors are the main process's.
class ServiceProbe {
 public:
  /// `cgroup`: where its group is; nowhere for a single process. Fails when the process is gone,
  /// and where it is hidden (hidepid) while there is no group either.
  static Result<ServiceProbe> open(int32_t pid, const CgroupFolders& cgroup,
                                   const ProcessProbe::Options& options);
  /// nullopt: the main process has ended.
  std::optional<ProcessReading> read();
  /// Of the group, as in a reading; its count outlives the main process for a moment.
  std::optional<uint64_t> oom_kills();
  [[nodiscard]] std::vector<Absent> absent() const;
  /// The folder of its control group; empty: none.
  [[nodiscard]] const std::filesystem::path& cgroup() const { return folder_; }
  /// 0: the main process is hidden.
  [[nodiscard]] uint64_t start_ticks() const { return main_ ? main_->start_ticks() : 0; }

 private:
  /// More processes than that are not visited each second.
  static constexpr size_t kMostProcesses = 512;
  /// A process of the group that is not the main one, as it was seen last.
  struct Member {
    uint64_t start_ticks = 0, cpu_ns = 0, minor_faults = 0, major_faults = 0;
    FdListing fd_listing;
    bool seen = false;
  };
  struct Sums {
    uint64_t rss_bytes = 0, threads = 0, fds = 0;
    bool fds_closed = false;
  };

  ServiceProbe(int32_t pid, std::optional<ProcessProbe> main, const CgroupFolders& cgroup,
               ProcessProbe::Options options);
  void add_group(ProcessReading& reading);
  void add_counted(ProcessReading& reading, const CgroupReading& whole, const Sums& sums);
  void add_run_delay(ProcessReading& reading);
  Sums visit_members(bool counters);
  void visit(int32_t pid, bool counters, Sums& sums);
  bool visit_counters(const std::filesystem::path& process, Member& member, Sums& sums);
  std::optional<uint64_t> count_fds(const std::filesystem::path& folder, Member& member);
  void add_fds_absent(std::vector<Absent>& absent) const;
  void add_group_absent(std::vector<Absent>& absent) const;

  int32_t pid_;
  std::optional<ProcessProbe> main_;
  ProcessProbe::Options options_;
  std::filesystem::path folder_;
  std::optional<CgroupProbe> group_;
  RunDelay run_delay_;
  std::vector<int32_t> pids_;  ///< of the last reading; no more than kMostProcesses + 1
  std::map<int32_t, Member> members_;
  /// Of members, counted while they were seen; also of those that have ended since.
  uint64_t members_cpu_ns_ = 0, members_minor_faults_ = 0, members_major_faults_ = 0;
  bool too_many_ = false, fds_closed_ = false;
  bool io_counted_ = false;  ///< by the group
};

}  // namespace serin::agent
