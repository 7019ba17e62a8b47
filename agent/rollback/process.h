#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace serin::helper {

/// One process, from procfs. (pid, start_ticks) names it for as long as the machine is up.
struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  uint64_t start_ticks = 0;  ///< clock ticks after boot
  uid_t uid = 0;             ///< effective
};

/// Nullopt when there is none, or when it has ended (a zombie).
std::optional<Process> read_process(const std::filesystem::path& proc, pid_t pid);
/// Every live process.
std::vector<Process> all_processes(const std::filesystem::path& proc);

/// Where /proc/PID/exe or /proc/PID/cwd points, without the kernel's " (deleted)"; nullopt when it
/// cannot be read.
std::optional<std::filesystem::path> process_link(const std::filesystem::path& proc, pid_t pid,
                                                  const char* link);

std::string boot_id(const std::filesystem::path& proc);
/// `<boot_id>:<pid>:<start_ticks>`: the generation of a service without systemd.
std::string generation_of(const std::filesystem::path& proc, const Process& process);

}  // namespace serin::helper
