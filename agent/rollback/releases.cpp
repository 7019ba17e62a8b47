#include "agent/rollback/releases.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/ids.h"

namespace serin::helper {
namespace {

std::unexpected<Error> cannot_open(const std::filesystem::path& path, int error) {
  const bool link = error == ELOOP || error == EXDEV;
  return fail(fmt::format("{}: {}", path.native(),
                          link ? "a symlink stands in the way" : errno_text(error)));
}

Result<void> check_relative(const std::filesystem::path& path) {
  const bool climbs = std::ranges::find(path, "..") != path.end();
  if (path.empty() || path.is_absolute() || climbs) {
    return fail(fmt::format("{}: not a path below the folder", path.native()));
  }
  return {};
}

}  // namespace

Result<UniqueFd> open_beneath_by_component(int folder, const std::filesystem::path& path,
                                           int flags) {
  if (auto sound = check_relative(path); !sound) return std::unexpected(sound.error());
  UniqueFd at;
  int parent = folder;
  for (auto part = path.begin(); part != path.end(); ++part) {
    const bool last = std::next(part) == path.end();
    const int how = last ? flags : O_PATH | O_DIRECTORY;
    UniqueFd next(::openat(parent, part->c_str(), how | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return cannot_open(path, errno);
    struct stat facts{};
    if (::fstat(next.get(), &facts) != 0) return cannot_open(path, errno);
    if (S_ISLNK(facts.st_mode)) return cannot_open(path, ELOOP);  // O_PATH opens the link itself
    at = std::move(next);
    parent = at.get();
  }
  return at;
}

Result<UniqueFd> open_beneath(int folder, const std::filesystem::path& path, int flags) {
  if (auto sound = check_relative(path); !sound) return std::unexpected(sound.error());
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  // Old kernels lack the call; seccomp filters of old systemd and containers forbid it.
  if (errno == ENOSYS || errno == EPERM) return open_beneath_by_component(folder, path, flags);
  return cannot_open(path, errno);
}

Result<Releases> Releases::open(const std::filesystem::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(fmt::format("releases folder {}: {}", folder.native(), errno_text(errno)));
  std::error_code error;
  auto real = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd.get()), error);
  if (error) return fail(fmt::format("releases folder {}: {}", folder.native(), error.message()));
  return Releases(std::move(fd), std::move(real));
}

Result<UniqueFd> Releases::release(std::string_view name) const {
  if (!is_release_name(name)) return fail("not the name of a release");
  auto fd = open_beneath(folder_.get(), name, O_RDONLY | O_DIRECTORY);
  if (!fd) return fail(fmt::format("release {} in {}", fd.error().message, real_.native()));
  return fd;
}

Result<UniqueFd> Releases::entry(std::string_view release,
                                 const std::filesystem::path& rest) const {
  const auto folder = this->release(release);
  if (!folder) return std::unexpected(folder.error());
  return open_beneath(folder->get(), rest, O_PATH);
}

bool Releases::irreversible(std::string_view name) const {
  const auto folder = release(name);
  if (!folder) return false;
  struct stat facts{};
  return ::fstatat(folder->get(), kIrreversibleMarker, &facts, AT_SYMLINK_NOFOLLOW) == 0;
}

std::optional<Releases::Place> Releases::place_of(const std::filesystem::path& resolved) const {
  const auto [ours, theirs] = std::ranges::mismatch(real_, resolved);
  if (ours != real_.end() || theirs == resolved.end()) return std::nullopt;
  Place place{.release = theirs->native(), .rest = {}};
  for (auto part = std::next(theirs); part != resolved.end(); ++part) place.rest /= *part;
  if (!is_release_name(place.release)) return std::nullopt;
  return place;
}

}  // namespace serin::helper
