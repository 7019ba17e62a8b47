#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/recorder/file.h"
#include "agent/request/timeline.h"
#include "common/service_file.h"

namespace serin::agent {

/// What /proc tells of a living process.
struct ProcessLook {
  uint64_t start_ticks = 0;
  int32_t parent = 0;
  std::vector<uint32_t> users;  ///< real, effective, saved and of the file system
  std::string cgroup;           ///< the text of its file; empty where it cannot be read
};
/// nullopt: it ended, or is hidden.
std::optional<ProcessLook> look_at_process(const std::filesystem::path& proc, int32_t pid);

/// The unit in whose control group a process is, if it is one of these.
std::optional<std::string> unit_of(std::string_view cgroup_text,
                                   const std::vector<std::string>& units);

/// Settles whose the requests in a recorder file are. Any user of the host may put a file of any
/// name into the folder; what counts is that the living process that wrote it belongs to the
/// service (by its unit's control group, or as a descendant of its main process) and runs as the
/// user who owns the file.
class WriterJudge {
 public:
  struct Setting {
    std::string boot_id;
    std::filesystem::path proc = "/proc";
  };
  /// When on the wall clock a process began.
  using WallOfTicks = std::function<int64_t(uint64_t ticks)>;

  struct Verdict {
    enum class Kind {
      ours,     ///< `span` says which generation's
      unknown,  ///< so far: the agent may hear of the process later
      foreign,
    } kind = Kind::unknown;
    uint32_t span = 0;
    std::string reason;  ///< of the last two
  };

  WriterJudge(const ServiceFile& service, Setting setting);

  /// The process that writes the file now; nullopt: it has ended.
  [[nodiscard]] std::optional<int32_t> living(const RecorderFile& file) const;
  Verdict judge(const RecorderFile& file, std::optional<int32_t> living, const Timeline& timeline,
                const WallOfTicks& wall_of);

 private:
  Verdict judge_living(const RecorderFile& file, int32_t pid, const Timeline& timeline,
                       const WallOfTicks& wall_of);
  Verdict judge_dead(const RecorderFile& file, const Timeline& timeline,
                     const WallOfTicks& wall_of) const;
  [[nodiscard]] Verdict by_unit(const ProcessLook& look, const Timeline& timeline,
                                int64_t start_us) const;
  [[nodiscard]] Verdict by_ancestor(int32_t pid, ProcessLook look, const Timeline& timeline) const;
  [[nodiscard]] std::string generation_of(int32_t pid, uint64_t start_ticks) const;

  Setting setting_;
  std::vector<std::string> units_;  ///< empty: the service is found by its process
  std::vector<uint32_t> users_;     ///< that its processes were seen to be
};

}  // namespace serin::agent
