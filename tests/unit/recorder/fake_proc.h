#pragma once

#include <fmt/core.h>

#include <filesystem>

#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {

/// Processes as a test wants them.
class FakeProc {
 public:
  struct Process {
    int32_t pid = 0;
    uint64_t start_ticks = 100;
    int32_t parent = 1;
    uint32_t user = 0;
    std::string cgroup = "/system.slice/api.service";
    char state = 'S';
  };
  void add(const Process& process) {
    auto folder = folder_ / std::to_string(process.pid);
    write_text(folder / "stat",
               fmt::format("{} (a b) c) {} {} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0\n",
                           process.pid, process.state, process.parent, process.start_ticks));
    write_text(folder / "status",
               fmt::format("Name:\ta\nUid:\t{0}\t{0}\t{0}\t{0}\nGid:\t0\n", process.user));
    write_text(folder / "cgroup", fmt::format("0::{}\n", process.cgroup));
  }
  void remove(int32_t pid) { std::filesystem::remove_all(folder_ / std::to_string(pid)); }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TempFolder folder_;
};

}  // namespace serin::agent
