#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace serin::agent {

// Readers of the kernel's text files. Pure; nullopt for anything that does not have the documented
// shape, so that a torn or foreign file reads as absent and never as zero.

struct ProcStat {
  char state = '?';  ///< R S D Z T …
  int32_t parent = 0;
  uint64_t minor_faults = 0, major_faults = 0;
  uint64_t cpu_ticks = 0;  ///< user + system, of all threads
  uint64_t threads = 0;
  uint64_t start_ticks = 0;  ///< since boot
};

/// /proc/PID/stat. The command name may hold spaces and parentheses: fields count from its last
/// `)`.
std::optional<ProcStat> parse_stat(std::string_view text);

/// Resident pages from /proc/PID/statm.
std::optional<uint64_t> parse_statm_resident(std::string_view text);

/// The number that follows `key:` at the start of a line (status, io).
std::optional<uint64_t> parse_keyed(std::string_view text, std::string_view key);

/// The soft limit of "Max open files" in /proc/PID/limits; nullopt also for "unlimited".
std::optional<uint64_t> parse_open_files_limit(std::string_view text);

struct SchedStat {
  uint64_t wait_ns = 0;  ///< ready to run, without a CPU
  uint64_t runs = 0;     ///< times it got one; 0 in all threads: the kernel does not count
};
/// /proc/PID/schedstat, or that of one thread.
std::optional<SchedStat> parse_schedstat(std::string_view text);

/// A whole unsigned decimal number, nothing else.
std::optional<uint64_t> parse_number(std::string_view text);

}  // namespace serin::agent
