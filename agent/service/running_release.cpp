#include "agent/service/running_release.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include "common/ids.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kDeleted = " (deleted)";

/// The component of `path` below `releases`, or empty.
std::string release_in(const fs::path& path, const std::string& releases) {
  std::string text = path.string();
  if (text.ends_with(kDeleted)) text.resize(text.size() - kDeleted.size());
  if (releases.empty() || !text.starts_with(releases + "/")) return {};
  std::string below = text.substr(releases.size() + 1);
  std::string name = below.substr(0, below.find('/'));
  return is_release_name(name) ? name : std::string{};
}

/// `by_birth`: the time of its making, where the file system knows it.
std::string artefact_of(std::string_view kind, const fs::path& path, bool by_birth) {
  struct statx info{};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS | STATX_BTIME, &info) != 0) return {};
  bool birth = by_birth && (info.stx_mask & STATX_BTIME) != 0;
  const auto& time = birth ? info.stx_btime : info.stx_ctime;
  return fmt::format("{}:{}:{}:{}:{}", kind, info.stx_dev_major, info.stx_dev_minor, info.stx_ino,
                     time.tv_sec * 1'000'000 + time.tv_nsec / 1000);
}

}  // namespace

bool is_other_artefact(std::string_view a, std::string_view b) {
  auto kind = [](std::string_view artefact) {
    bool ours = artefact.starts_with("exe:") || artefact.starts_with("dir:");
    return ours ? artefact.substr(0, 4) : std::string_view{};
  };
  return !a.empty() && !b.empty() && kind(a) == kind(b) && a != b;
}

std::string folder_artefact(const fs::path& folder) {
  return artefact_of("dir", folder, true);
}

RunningRelease running_release(int32_t pid, const fs::path& releases, const fs::path& proc) {
  RunningRelease found;
  std::error_code error;
  fs::path process = proc / std::to_string(pid);
  auto resolved = releases.empty() ? fs::path{} : fs::canonical(releases, error);
  std::string base = error ? releases.lexically_normal().string() : resolved.string();
  auto exe = fs::read_symlink(process / "exe", error);
  if (error) {
    found.forbidden = error.value() == EACCES || error.value() == EPERM;
    return found;
  }
  found.version = release_in(exe, base);
  if (!found.version.empty() || base.empty()) {
    found.artefact = artefact_of("exe", process / "exe", false);
    return found;
  }
  auto cwd = fs::read_symlink(process / "cwd", error);
  if (!error) found.version = release_in(cwd, base);
  if (!found.version.empty()) found.artefact = folder_artefact(fs::path(base) / found.version);
  return found;
}

}  // namespace serin::agent
