#include "agent/rollback/trust.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "common/file.h"

namespace serin::helper {
namespace {

constexpr int kMostLinks = 40;  // as the kernel

Result<void> check_owner(const std::filesystem::path& path, const struct stat& facts) {
  if (facts.st_uid == 0 || facts.st_uid == ::geteuid()) return {};
  return fail(
      fmt::format("{} belongs to uid {}, not to root: chown root it", path.native(), facts.st_uid));
}

Result<void> check_facts(const std::filesystem::path& path, const struct stat& facts, mode_t kind,
                         std::string_view expected) {
  if ((facts.st_mode & S_IFMT) != kind) {
    return fail(fmt::format("{} is not a {}", path.native(), expected));
  }
  if (auto owned = check_owner(path, facts); !owned) return owned;
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(fmt::format("{} is writable by {} (mode {:04o}): chmod go-w it", path.native(),
                            (facts.st_mode & S_IWOTH) != 0 ? "others" : "its group",
                            facts.st_mode & 07777));
  }
  return {};
}

Result<void> check_path(const std::filesystem::path& path, mode_t kind, std::string_view expected) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    return fail(fmt::format("{}: {}", path.native(), errno_text(errno)));
  }
  return check_facts(path, facts, kind, expected);
}

/// A folder on the way to a program.
Result<void> check_way(const std::filesystem::path& folder, const struct stat& facts) {
  const bool like_tmp =
      S_ISDIR(facts.st_mode) && facts.st_uid == 0 && (facts.st_mode & S_ISVTX) != 0;
  return like_tmp ? Result<void>{} : check_facts(folder, facts, S_IFDIR, "folder");
}

/// The components of a path, the next one last.
void push_components(std::vector<std::filesystem::path>& todo, const std::filesystem::path& path) {
  const std::vector<std::filesystem::path> parts(path.begin(), path.end());
  todo.insert(todo.end(), parts.rbegin(), parts.rend());
}

/// Follows a path folder by folder as the kernel does it, but each is looked at before what lies in
/// it counts. What the last component is, is for the caller to judge.
Result<std::filesystem::path> resolve_owned(const std::filesystem::path& path) {
  if (!path.is_absolute()) return fail(path.native() + " is not an absolute path");
  std::vector<std::filesystem::path> todo;
  push_components(todo, path);
  std::filesystem::path here = "/";
  int links = 0;
  while (!todo.empty()) {
    const auto part = std::exchange(todo.back(), {});
    todo.pop_back();
    if (part.empty() || part == ".") continue;
    const auto next = part.is_absolute() ? part : part == ".." ? here.parent_path() : here / part;
    struct stat facts {};
    if (::lstat(next.c_str(), &facts) != 0) {
      return fail(fmt::format("{}: {}", next.native(), errno_text(errno)));
    }
    if (S_ISLNK(facts.st_mode)) {
      if (auto owned = check_owner(next, facts); !owned) return std::unexpected(owned.error());
      std::error_code error;
      const auto text = std::filesystem::read_symlink(next, error);
      if (error) return fail(fmt::format("{}: {}", next.native(), error.message()));
      if (++links > kMostLinks) return fail(path.native() + ": too many symlinks");
      push_components(todo, text);
      continue;
    }
    if (S_ISDIR(facts.st_mode) || !todo.empty()) {
      if (auto owned = check_way(next, facts); !owned) return std::unexpected(owned.error());
    }
    here = next;
  }
  return here;
}

}  // namespace

Result<void> check_owned_file(const std::filesystem::path& file) {
  return check_path(file, S_IFREG, "regular file");
}

Result<void> check_owned_folder(const std::filesystem::path& folder) {
  return check_path(folder, S_IFDIR, "folder");
}

Result<void> check_owned_contents(const std::filesystem::path& folder) {
  if (auto owned = check_owned_folder(folder); !owned) return owned;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (auto owned = check_owned_file(at->path()); !owned) return owned;
  }
  if (error) return fail(fmt::format("cannot list {}: {}", folder.native(), error.message()));
  return {};
}

Result<void> check_owned_way(const std::filesystem::path& folder) {
  const auto real = resolve_owned(folder);
  if (!real) return std::unexpected(real.error());
  return check_owned_folder(*real);
}

Result<std::filesystem::path> owned_program(const std::filesystem::path& program) {
  const auto real = resolve_owned(program);
  if (!real) return std::unexpected(real.error());
  if (auto file = check_owned_file(*real); !file) return std::unexpected(file.error());
  if (::access(real->c_str(), X_OK) != 0) {
    return fail(fmt::format("{} cannot be executed: {}", real->native(), errno_text(errno)));
  }
  return *real;
}

}  // namespace serin::helper
