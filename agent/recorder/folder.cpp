#include "agent/recorder/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace serin::agent {
namespace {

/// A file system's clock ticks each 10 ms at most: a folder that changed so lately may change again
/// without showing it.
constexpr int64_t kFreshNs = 20'000'000;

int64_t ns_of(const timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

int64_t wall_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return ns_of(now);
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

/// The folder may have been made anew since: by its name, each time.
bool RecorderFolder::open_again() {
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    problem_ = fmt::format(
        "{}: {}", path_.string(),
        S_ISDIR(status.st_mode) || status.st_mode == 0 ? errno_text(errno) : "is no folder");
    fd_.reset();
    return false;
  }
  FileIdentity identity{.device = status.st_dev, .inode = status.st_ino};
  if (!fd_ || identity != identity_) {
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    identity_ = identity;
    changed_ns_ = -1;
  }
  if (!fd_) problem_ = fmt::format("{}: {}", path_.string(), errno_text(errno));
  return static_cast<bool>(fd_);
}

std::optional<std::vector<RecorderFolder::Entry>> RecorderFolder::look(std::string_view service) {
  if (!open_again()) return std::vector<Entry>{};
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) return std::nullopt;
  int64_t changed_ns = ns_of(status.st_mtim);
  if (changed_ns == changed_ns_) return std::nullopt;
  changed_ns_ = wall_ns() - changed_ns > kFreshNs ? changed_ns : -1;
  problem_.clear();
  return list(service);
}

std::vector<RecorderFolder::Entry> RecorderFolder::list(std::string_view service) {
  std::vector<Entry> found;
  int copy = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::unique_ptr<DIR, CloseFolder> folder(copy < 0 ? nullptr : ::fdopendir(copy));
  if (!folder) {
    problem_ = fmt::format("{}: {}", path_.string(), errno_text(errno));
    return found;
  }
  size_t entries = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (++entries > kMostEntries) {
      problem_ = fmt::format(
          "{}: more than {} files; those after are not looked at: find out who "
          "fills it",
          path_.string(), kMostEntries);
      break;
    }
    auto name = parse_recorder_name(entry->d_name);
    struct stat status{};
    if (!name || name->service != service ||
        ::fstatat(fd_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    found.push_back({.name = entry->d_name,
                     .identity = {.device = status.st_dev, .inode = status.st_ino},
                     .owner = status.st_uid,
                     .pid = name->pid,
                     .made_us = ns_of(status.st_ctim) / 1000});
  }
  return found;
}

bool RecorderFolder::remove(const std::string& name, FileIdentity identity) const {
  struct stat status{};
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return true;
  if (FileIdentity{.device = status.st_dev, .inode = status.st_ino} != identity) return true;
  return ::unlinkat(fd_.get(), name.c_str(), 0) == 0 || errno == ENOENT;
}

}  // namespace serin::agent
