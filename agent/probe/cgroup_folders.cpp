#include "agent/probe/cgroup_folders.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "agent/probe/proc_parse.h"
#include "agent/probe/text_lines.h"
#include "common/file.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxProcsBytes = size_t{64} * 1024;
constexpr int kMaxDepth = 4;  // units that divide themselves further are rare
constexpr std::array<const char*, 5> kControllers = {"cpuacct", "cpu", "memory", "pids", "blkio"};

bool is_group(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "cgroup.procs", error);
}

/// A folder's own name, its `..` and nothing more: there is no need to list half a hundred files to
/// find no folder among them. Some file systems count no links; they say 1.
bool has_no_folders(const fs::path& folder) {
  struct stat info {};
  return ::stat(folder.c_str(), &info) == 0 && info.st_nlink == 2;
}

void collect(const fs::path& folder, size_t most, int depth, std::vector<int32_t>& pids) {
  auto text = read_file(folder / "cgroup.procs", kMaxProcsBytes);
  if (!text) return;
  each_line(*text, [&](std::string_view line) {
    auto pid = parse_number(line);
    if (pid && pids.size() < most) pids.push_back(static_cast<int32_t>(*pid));
  });
  if (depth == 0 || has_no_folders(folder)) return;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(error)) collect(it->path(), most, depth - 1, pids);
}

}  // namespace

CgroupRoots CgroupRoots::of_this_machine(const fs::path& mounts) {
  CgroupRoots roots;
  for (const auto& folder : {mounts, mounts / "unified", mounts / "systemd"})
    if (is_group(folder)) roots.folders.push_back(folder);
  // Below a unified root `memory` would be somebody's group.
  const bool has_version_1 = !is_group(mounts) && std::ranges::any_of(kControllers, [&](auto name) {
    return is_group(mounts / name);
  });
  if (has_version_1) roots.controllers = mounts;
  return roots;
}

CgroupFolders cgroup_folders(const CgroupRoots& roots, const std::string& name) {
  CgroupFolders folders{.main = cgroup_folder(roots, name), .controllers = {}, .name = {}};
  if (folders.main.empty()) return folders;
  folders.controllers = roots.controllers;
  folders.name = fs::path(name).relative_path();
  return folders;
}

fs::path cgroup_folder(const CgroupRoots& roots, const std::string& name) {
  if (name.empty() || name == "/") return {};
  std::error_code error;
  for (const auto& root : roots.folders) {
    fs::path folder = root / fs::path(name).relative_path();
    if (fs::is_directory(folder, error)) return folder;
  }
  return {};
}

std::vector<int32_t> cgroup_processes(const fs::path& folder, size_t most) {
  std::vector<int32_t> pids;
  if (!folder.empty()) collect(folder, most, kMaxDepth, pids);
  return pids;
}

}  // namespace serin::agent
