#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "schema/messages.h"

namespace serin::agent {

/// Where this machine keeps its control groups.
struct CgroupRoots {
  /// The hierarchies in which a unit's processes may be found, best first; only version 2 counts
  /// what they use.
  std::vector<std::filesystem::path> folders;
  /// Unified, hybrid, and version 1 alone, as systemd mounts them.
  static CgroupRoots of_this_machine(const std::filesystem::path& mounts = "/sys/fs/cgroup");
};

/// The folder of a unit's control group; empty when there is none.
std::filesystem::path cgroup_folder(const CgroupRoots& roots, const std::string& name);
/// Its processes with those of the groups below it, in the kernel's order; at most `most`.
std::vector<int32_t> cgroup_processes(const std::filesystem::path& folder, size_t most);

/// What a unit used since its start, over all its processes, also those that have ended. What the
/// kernel does not count here (no controller, version 1) is absent.
struct CgroupReading {
  std::optional<uint64_t> cpu_ns;
  std::optional<uint64_t> rss_bytes;  ///< anon + file_mapped: without the page cache
  std::optional<uint64_t> threads;
  std::optional<uint64_t> minor_faults, major_faults, read_bytes, written_bytes;
};

/// Reads a control group through descriptors kept open: one that was removed and made anew, as at
/// each restart of a unit, is never mistaken for the old one. About 20 µs a reading.
class CgroupProbe {
 public:
  explicit CgroupProbe(const std::filesystem::path& folder);
  CgroupReading read();

 private:
  enum File { kCpu, kMemory, kPids, kIo, kFileCount };
  std::optional<std::string_view> text_of(File file);

  std::array<UniqueFd, kFileCount> files_;
  std::array<char, 16384> buffer_{};  // memory.stat is below 2 KiB; io.stat has a line per device
};

/// The value of `key` in lines of "key value".
std::optional<uint64_t> parse_flat_keyed(std::string_view text, std::string_view key);
/// The sum of `key=value` over all lines.
std::optional<uint64_t> parse_nested_sum(std::string_view text, std::string_view key);

}  // namespace serin::agent
