#include "agent/rollback/room.h"

#include <fmt/core.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "common/file.h"

namespace serin::helper {
namespace {

constexpr uint64_t kFewInodes = 16;  // a link, a file beside another

std::string in_kib(uint64_t bytes) {
  return fmt::format("{} KiB", bytes / 1024);
}

}  // namespace

Result<void> check_room(const std::filesystem::path& folder, uint64_t bytes) {
  struct statvfs facts{};
  if (::statvfs(folder.c_str(), &facts) != 0) {
    return fail(fmt::format("{}: {}", folder.native(), errno_text(errno)));
  }
  const uint64_t there = uint64_t{facts.f_bfree} * facts.f_frsize;
  if (there < bytes) {
    return fail(fmt::format("{} has room for {} and {} are needed: free some", folder.native(),
                            in_kib(there), in_kib(bytes)));
  }
  // File systems that make inodes as they need them say that they have none at all.
  if (facts.f_files != 0 && facts.f_ffree < kFewInodes) {
    return fail(fmt::format("{} has only {} inodes left: remove some files", folder.native(),
                            facts.f_ffree));
  }
  return {};
}

}  // namespace serin::helper
