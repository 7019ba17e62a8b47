#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/probe/cgroup_folders.h"
#include "agent/probe/cgroup_parse.h"
#include "common/file.h"
#include "schema/messages.h"

namespace serin::agent {

/// What a unit used since its start, over all its processes, also those that have ended. What the
/// kernel does not count here (no controller, an older kernel) is absent.
struct CgroupReading {
  std::optional<uint64_t> cpu_ns, throttled_ns;
  std::optional<uint64_t> rss_bytes;     ///< anonymous + mapped: without the page cache
  std::optional<uint64_t> memory_bytes;  ///< with it
  std::optional<uint64_t> threads;
  std::optional<uint64_t> minor_faults, major_faults;
  /// Version 1 does not count what the page cache writes later: there only what was read.
  std::optional<uint64_t> read_bytes, written_bytes;
  std::optional<uint64_t> cpu_pressure_us, memory_pressure_us, io_pressure_us;
  std::optional<uint64_t> oom_kills;
};

/// Reads a control group through descriptors kept open: one that was removed and made anew, as at
/// each restart of a unit, is never mistaken for the old one. Version 2 comes first; version 1
/// gives what is missing then. About 10 µs a reading, hot.
class CgroupProbe {
 public:
  explicit CgroupProbe(const CgroupFolders& folders);
  /// nullopt: the group was removed; that is said once.
  std::optional<CgroupReading> read();

  /// What only the kernel can count, and does not; settled at the start.
  [[nodiscard]] const std::vector<Absent>& absent() const { return absent_; }

 private:
  using Take = void (*)(std::string_view text, CgroupReading& reading);
  struct Source {
    UniqueFd file;
    Take take;
  };

  /// True where it is there and may be read.
  bool open(const std::filesystem::path& file, Take take);
  void open_version_1(const CgroupFolders& folders, const CgroupReading& known);
  /// False where it can be read no more.
  bool read_source(const Source& source, CgroupReading& reading);
  void note_absent(const CgroupReading& first);

  std::vector<Source> sources_;
  std::vector<Absent> absent_;
  /// memory.stat is below 2 KiB; io.stat has a line for each device. A longer file is absent, as
  /// half a sum would look like a figure.
  std::array<char, 16384> buffer_{};
};

}  // namespace serin::agent
