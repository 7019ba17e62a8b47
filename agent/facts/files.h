#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

// What host files say, as facts. Pure readers of texts first; then what reads the files below given
// roots, so that it also runs on captured trees.

namespace serin::agent {

using FactPairs = std::vector<std::pair<std::string, std::string>>;

/// Where a host's files lie.
struct HostRoots {
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
  std::filesystem::path etc = "/etc";
  std::filesystem::path var = "/var";
};

/// /proc/PID/limits as `limits.nofile` = "1024/524288" (soft/hard, in the file's units); the
/// kernel's sixteen, without those that say nothing of a service. Nothing for a text of another
/// shape.
FactPairs parse_limits(std::string_view text);

/// What a group of cgroup v2 allows: cpu.max as "1.5 CPUs", a number of bytes or tasks; "none" for
/// "max". Empty for another text.
std::string parse_cpu_max(std::string_view text);
std::string parse_most(std::string_view text);

/// The path of a process in the unified hierarchy from /proc/PID/cgroup; empty: it is in none.
std::string parse_unified_group(std::string_view text);

/// The model from /proc/cpuinfo, also where (arm64) it is only given in numbers; empty: not there.
std::string parse_cpu_model(std::string_view text);

/// MemTotal of /proc/meminfo as "15.6 GiB"; empty: not there.
std::string parse_memory_total(std::string_view text);

/// The word in brackets of a file like transparent_hugepage/enabled; empty: none.
std::string parse_chosen(std::string_view text);

/// The text without blanks at its ends, those within as one.
std::string in_one_line(std::string_view text);

/// The first half of a SHA-256, in hex: enough to tell that two texts differ.
std::string short_hash(std::string_view data);

/// Sets `name` to what `parse` makes of a file, or to why that cannot be.
void add_file_fact(FactPairs& facts, std::string name, const std::filesystem::path& file,
                   std::string (*parse)(std::string_view));

}  // namespace serin::agent
