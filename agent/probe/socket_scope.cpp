#include "agent/probe/socket_scope.h"

#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

#include "common/file.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr int kMaxDepth = 4;  // as far down as its processes are looked for

/// False: too many. A group that goes meanwhile is none.
bool collect(const fs::path& folder, int depth, std::vector<uint64_t>& ids) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return true;
  static_assert(sizeof info.st_ino == sizeof(uint64_t));  // the group's whole id
  if (ids.size() == SocketFilter::kMostGroups) return false;
  ids.push_back(info.st_ino);
  if (depth == 0 || info.st_nlink == 2) return true;  // kernfs counts the folders below
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(error) && !collect(it->path(), depth - 1, ids)) return false;
  return true;
}

/// What identifies a process's network in /proc: its tables are files of their own there.
std::optional<ino_t> network_of(const fs::path& process) {
  struct stat info {};
  if (::stat((process / "net/tcp").c_str(), &info) != 0) return std::nullopt;
  return info.st_ino;
}

}  // namespace

Result<std::vector<uint64_t>> group_ids(const fs::path& folder) {
  struct statfs system {};
  if (::statfs(folder.c_str(), &system) != 0)
    return fail(fmt::format("{}: {}", folder.string(), errno_text(errno)));
  if (system.f_type != CGROUP2_SUPER_MAGIC)
    return fail(fmt::format("{} is no control group of version 2", folder.string()));
  std::vector<uint64_t> ids;
  if (!collect(folder, kMaxDepth, ids))
    return fail(fmt::format("its unit has more than {} control groups below it",
                            SocketFilter::kMostGroups));
  return ids;
}

std::optional<bool> in_other_network(const fs::path& proc, int32_t pid) {
  const auto own = network_of(proc / "self"), other = network_of(proc / std::to_string(pid));
  if (!own || !other) return std::nullopt;
  return *own != *other;
}

}  // namespace serin::agent
