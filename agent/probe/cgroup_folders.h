#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace serin::agent {

/// Where this machine keeps its control groups.
struct CgroupRoots {
  /// The hierarchies in which a unit's processes may be found, best first.
  std::vector<std::filesystem::path> folders;
  /// Version 1 has a hierarchy for each controller, in here; empty: it has none.
  std::filesystem::path controllers;
  /// Unified, hybrid, and version 1 alone, as systemd mounts them.
  static CgroupRoots of_this_machine(const std::filesystem::path& mounts = "/sys/fs/cgroup");
};

/// Where one unit's control group is: under the same name in several hierarchies of a machine with
/// version 1.
struct CgroupFolders {
  /// Lists its processes, and counts what they use if it is of version 2; empty: there is no group.
  std::filesystem::path main;
  std::filesystem::path controllers, name;
  /// The folder of a controller of version 1; it need not be there.
  [[nodiscard]] std::filesystem::path of(std::string_view controller) const {
    return controllers / controller / name;
  }
};

/// Of the group that systemd calls so; nothing in it when there is none.
CgroupFolders cgroup_folders(const CgroupRoots& roots, const std::string& name);
/// Its main folder; empty when there is none.
std::filesystem::path cgroup_folder(const CgroupRoots& roots, const std::string& name);
/// Its processes with those of the groups below it, in the kernel's order; at most `most`.
std::vector<int32_t> cgroup_processes(const std::filesystem::path& folder, size_t most);

}  // namespace serin::agent
