#include "agent/service/finder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>

#include "agent/probe/proc_parse.h"
#include "common/file.h"

namespace serin::agent {
namespace {

constexpr size_t kMaxPidFileBytes = 64;
constexpr size_t kMaxStatBytes = 4096;
constexpr size_t kMaxCmdlineBytes = size_t{128} * 1024;
constexpr uint64_t kMaxPid = 4'194'304;  // PID_MAX_LIMIT
constexpr std::string_view kDeleted = " (deleted)";

/// The process's start, nullopt when it is gone or a zombie.
std::optional<ProcStat> living(const std::filesystem::path& proc, std::string_view pid) {
  auto text = read_file(proc / pid / "stat", kMaxStatBytes);
  if (!text) return std::nullopt;
  auto stat = parse_stat(*text);
  return stat && stat->state != 'Z' && stat->state != 'X' ? stat : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string canonical_or_given(const std::filesystem::path& path) {
  std::error_code error;
  auto resolved = std::filesystem::canonical(path, error);
  return error ? path.lexically_normal().string() : resolved.string();
}

}  // namespace

Result<std::optional<FoundProcess>> PidFileFinder::find(const Moment& now) {
  bool first_look = !std::exchange(looked_, true);
  UniqueFd fd(::open(file_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0)
    return fail(fmt::format("{}: {}", file_.string(), errno_text(errno)));
  if (!S_ISREG(info.st_mode)) return fail(fmt::format("{}: not a regular file", file_.string()));
  auto text = read_all(fd.get(), kMaxPidFileBytes, file_.string());
  if (!text) return std::unexpected(text.error());
  std::string_view word = trimmed(*text);
  if (word.empty()) return std::nullopt;  // being written
  auto pid = parse_number(word);
  if (!pid || *pid == 0 || *pid > kMaxPid)
    return fail(fmt::format("{}: holds no process id", file_.string()));

  Writing writing{.pid = *pid,
                  .inode = info.st_ino,
                  .mtime_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
  bool written_again = seen_ != writing;
  auto process = living(proc_, word);
  if (process && !written_again && seen_ticks_ != process->start_ticks)
    return fail(
        fmt::format("{}: names process {}, which began after the one it was written for had ended",
                    file_.string(), *pid));
  if (!process && (!written_again || first_look)) {
    seen_ = writing;
    return std::nullopt;
  }
  seen_ = writing;
  FoundProcess found{.pid = static_cast<int32_t>(*pid), .already_ended = !process};
  found.start_ticks = process ? process->start_ticks : ticks_of_wall(writing.mtime_ns / 1000, now);
  seen_ticks_ = found.start_ticks;
  return found;
}

ExeFinder::Pattern ExeFinder::pattern() const {
  Pattern pattern{.whole = canonical_or_given(exe_), .releases = {}, .rest = {}};
  if (!release_link_) return pattern;
  std::string prefix = release_link_->lexically_normal().string() + "/";
  std::string given = exe_.lexically_normal().string();
  std::error_code error;
  auto release = std::filesystem::canonical(*release_link_, error);
  if (error || !given.starts_with(prefix)) return pattern;
  pattern.releases = release.parent_path().string() + "/";
  pattern.rest = "/" + given.substr(prefix.size());
  return pattern;
}

bool ExeFinder::is_ours(const std::filesystem::path& process, const Pattern& pattern) const {
  std::error_code error;
  std::string exe = std::filesystem::read_symlink(process / "exe", error).string();
  if (error && error.value() == EACCES) {
    auto cmdline = read_file(process / "cmdline", kMaxCmdlineBytes);
    return cmdline && cmdline->substr(0, cmdline->find('\0')) == exe_.string();
  }
  if (error) return false;
  if (exe.ends_with(kDeleted)) exe.resize(exe.size() - kDeleted.size());
  if (exe == pattern.whole) return true;
  if (pattern.releases.empty() || !exe.starts_with(pattern.releases) ||
      !exe.ends_with(pattern.rest))
    return false;
  size_t middle = exe.size() - pattern.releases.size();
  if (middle <= pattern.rest.size()) return false;
  return exe.substr(pattern.releases.size(), middle - pattern.rest.size()).find('/') ==
         std::string::npos;
}

Result<std::optional<FoundProcess>> ExeFinder::find(const Moment&) {
  std::error_code error;
  std::filesystem::directory_iterator it(proc_, error), end;
  if (error) return fail(fmt::format("{}: {}", proc_.string(), error.message()));
  const Pattern now_called = pattern();
  std::optional<FoundProcess> oldest;
  for (; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    auto pid = parse_number(name);
    if (!pid || *pid > kMaxPid || !is_ours(it->path(), now_called)) continue;
    auto process = living(proc_, name);
    if (!process || (oldest && oldest->start_ticks <= process->start_ticks)) continue;
    oldest = FoundProcess{.pid = static_cast<int32_t>(*pid), .start_ticks = process->start_ticks};
  }
  return oldest;
}

Result<std::unique_ptr<ServiceFinder>> make_finder(const ServiceFile& service) {
  if (const auto* by_pid_file = std::get_if<ServiceFile::ByPidFile>(&service.process))
    return std::make_unique<PidFileFinder>(by_pid_file->path);
  if (const auto* by_exe = std::get_if<ServiceFile::ByExe>(&service.process)) {
    std::optional<std::filesystem::path> link;
    if (const auto* symlink = std::get_if<ServiceFile::VersionSymlink>(&service.version))
      link = symlink->link;
    return std::make_unique<ExeFinder>(by_exe->path, std::move(link));
  }
  return fail(fmt::format("{}: a unit is not looked for, its manager tells of it", service.name));
}

}  // namespace serin::agent
