#include "agent/rollback/trust.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/file.h"

namespace serin::helper {
namespace {

Result<void> check_facts(const std::filesystem::path& path, mode_t kind,
                         std::string_view expected) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) {
    return fail(fmt::format("{}: {}", path.native(), errno_text(errno)));
  }
  if ((facts.st_mode & S_IFMT) != kind) {
    return fail(fmt::format("{} is not a {}", path.native(), expected));
  }
  if (facts.st_uid != 0 && facts.st_uid != ::geteuid()) {
    return fail(fmt::format("{} belongs to uid {}, not to root: chown root it", path.native(),
                            facts.st_uid));
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(fmt::format("{} is writable by {} (mode {:04o}): chmod go-w it", path.native(),
                            (facts.st_mode & S_IWOTH) != 0 ? "others" : "its group",
                            facts.st_mode & 07777));
  }
  return {};
}

}  // namespace

Result<void> check_owned_file(const std::filesystem::path& file) {
  return check_facts(file, S_IFREG, "regular file");
}

Result<void> check_owned_folder(const std::filesystem::path& folder) {
  return check_facts(folder, S_IFDIR, "folder");
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

Result<void> check_owned_program(const std::filesystem::path& program) {
  if (auto owned = check_owned_file(program); !owned) return owned;
  if (::access(program.c_str(), X_OK) != 0) {
    return fail(fmt::format("{} cannot be executed: {}", program.native(), errno_text(errno)));
  }
  return {};
}

}  // namespace serin::helper
