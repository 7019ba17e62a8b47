#include "agent/rollback/locate.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "agent/rollback/inspect.h"
#include "agent/rollback/program.h"
#include "common/file.h"

namespace serin::helper {
namespace {

constexpr size_t kMostPidFileBytes = 64;
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;
// systemctl show answers in ~10 ms; whoever asks the helper waits about 2 s.
constexpr int64_t kAskManagerUs = 1'500'000;

template <typename Number>
std::optional<Number> number_from(std::string_view text) {
  Number value{};
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc()) return std::nullopt;
  const std::string_view rest(stop, static_cast<size_t>(text.data() + text.size() - stop));
  if (rest.find_first_not_of(" \n\r\t") != std::string_view::npos) return std::nullopt;
  return value;
}

Located located(const Settings& settings, const Process& process) {
  return {process, generation_of(settings.proc, process)};
}

struct PidFile {
  std::string text;
  uid_t owner = 0;
  bool roots = false;  ///< nobody but root can have written it, nor put it there
};

/// Nullopt when there is none.
Result<std::optional<PidFile>> read_pid_file(const std::filesystem::path& path) {
  const UniqueFd folder(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder && errno == ENOENT) return std::nullopt;
  const UniqueFd fd(folder ? ::openat(folder.get(), path.filename().c_str(),
                                      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
                           : -1);
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd && errno == ELOOP) {
    return fail(fmt::format("pid file {} is a symlink: name the file itself", path.native()));
  }
  struct stat facts {};
  struct stat around {};
  if (!fd || ::fstat(fd.get(), &facts) != 0 || ::fstat(folder.get(), &around) != 0) {
    return fail(fmt::format("pid file {}: {}", path.native(), errno_text(errno)));
  }
  if (!S_ISREG(facts.st_mode)) return fail(fmt::format("pid file {} is no file", path.native()));
  if ((facts.st_mode & kOthersWrite) != 0) {
    return fail(fmt::format("pid file {} is writable by {} (mode {:04o}): chmod go-w it",
                            path.native(), (facts.st_mode & S_IWOTH) != 0 ? "others" : "its group",
                            facts.st_mode & 07777));
  }
  auto text = read_all(fd.get(), kMostPidFileBytes, path.native());
  if (!text) return std::unexpected(text.error());
  const bool roots =
      facts.st_uid == 0 && around.st_uid == 0 && (around.st_mode & kOthersWrite) == 0;
  return PidFile{std::move(*text), facts.st_uid, roots};
}

Result<std::vector<Located>> by_pid_file(const std::filesystem::path& path,
                                         const Settings& settings) {
  const auto file = read_pid_file(path);
  if (!file) return std::unexpected(file.error());
  if (!*file) return std::vector<Located>{};
  const auto pid = number_from<pid_t>((*file)->text);
  if (!pid || *pid <= 1) return fail(fmt::format("pid file {} holds no pid", path.native()));
  const auto process = read_process(settings.proc, *pid);
  if (!process) return std::vector<Located>{};
  if (!(*file)->roots && (*file)->owner != process->uid) {
    return fail(fmt::format("pid file {} is {}: it may not name process {} of uid {}",
                            path.native(),
                            (*file)->owner == 0 ? "in a folder that is not only root's"
                                                : fmt::format("uid {}'s", (*file)->owner),
                            process->pid, process->uid));
  }
  return std::vector{located(settings, *process)};
}

/// Whether an executable is the one that the file names: as it is, as the path resolves now, or,
/// where the path goes through the release link, the same file of any release.
class ExeMatcher {
 public:
  ExeMatcher(const ServiceFile& service, const std::filesystem::path& path)
      : path_(path), releases_(releases_of(service)) {
    std::error_code error;
    real_ = std::filesystem::canonical(path, error);
    const auto link = link_of(service);
    const auto [ours, theirs] = std::ranges::mismatch(link, path);
    if (link.empty() || ours != link.end()) return;
    for (auto part = theirs; part != path.end(); ++part) rest_ /= *part;
  }
  [[nodiscard]] bool matches(const std::filesystem::path& exe) const {
    if (exe == path_ || (!real_.empty() && exe == real_)) return true;
    if (rest_.empty() || !releases_) return false;
    const auto place = releases_->place_of(exe);
    return place && place->rest == rest_;
  }

 private:
  std::filesystem::path path_, real_, rest_;
  std::optional<Releases> releases_;
};

std::vector<Located> by_exe(const ServiceFile& service, const std::filesystem::path& path,
                            const Settings& settings) {
  const ExeMatcher matcher(service, path);
  std::map<pid_t, Process> matching;
  for (const Process& process : all_processes(settings.proc)) {
    const auto exe = process_link(settings.proc, process.pid, "exe");
    if (exe && matcher.matches(*exe)) matching.emplace(process.pid, process);
  }
  // Workers are children of the process that counts; the oldest of what remains is the service.
  std::optional<Process> oldest;
  for (const auto& [pid, process] : matching) {
    if (matching.contains(process.parent)) continue;
    if (!oldest || process.start_ticks < oldest->start_ticks) oldest = process;
  }
  if (!oldest) return {};
  return {located(settings, *oldest)};
}

/// "MainPID=17\nInvocationID=…\n" as systemctl show prints it.
std::string property(std::string_view printed, std::string_view name) {
  const std::string start = std::string(name) + "=";
  for (size_t at = 0; at < printed.size();) {
    const size_t end = std::min(printed.find('\n', at), printed.size());
    const auto line = printed.substr(at, end - at);
    if (line.starts_with(start)) return std::string(line.substr(start.size()));
    at = end + 1;
  }
  return {};
}

/// What systemctl show prints: one block a unit, in the order of the question, an empty line
/// between two. `Id` keeps a block from being empty.
std::vector<std::string_view> blocks_of(std::string_view printed) {
  std::vector<std::string_view> blocks;
  while (!printed.empty()) {
    const size_t end = std::min(printed.find("\n\n"), printed.size());
    const auto block = printed.substr(0, end);
    if (block.find_first_not_of('\n') != std::string_view::npos) blocks.push_back(block);
    printed.remove_prefix(std::min(end + 2, printed.size()));
  }
  return blocks;
}

/// One question for all units: one after the other, a slow manager would cost a deadline each.
Result<std::vector<Located>> by_units(const std::vector<std::string>& units,
                                      const Settings& settings, const Clock& clock) {
  ProgramRun question{
      .argv = {settings.systemctl.native(), "show", "--property=Id,MainPID,InvocationID", "--"},
      .environment = {},
      .deadline_boot_us = clock.boot_us() + kAskManagerUs,
      .before_start = {}};
  question.argv.insert(question.argv.end(), units.begin(), units.end());
  const auto shown = ask_program(question, clock);
  if (!shown) return std::unexpected(shown.error());
  const auto blocks = blocks_of(*shown);
  if (blocks.size() != units.size()) {
    return fail(fmt::format("{} show told of {} units where {} were asked for",
                            settings.systemctl.native(), blocks.size(), units.size()));
  }
  std::vector<Located> found;
  for (size_t i = 0; i < units.size(); ++i) {
    const auto pid = number_from<pid_t>(property(blocks[i], "MainPID"));
    if (!pid || *pid <= 1) continue;
    const auto process = read_process(settings.proc, *pid);
    if (!process) continue;
    found.push_back({*process, units[i] + ":" + property(blocks[i], "InvocationID")});
  }
  return found;
}

}  // namespace

Result<std::vector<Located>> locate(const ServiceFile& service, const Settings& settings,
                                    const Clock& clock) {
  if (const auto* file = std::get_if<ServiceFile::ByPidFile>(&service.process)) {
    return by_pid_file(file->path, settings);
  }
  if (const auto* exe = std::get_if<ServiceFile::ByExe>(&service.process)) {
    return by_exe(service, exe->path, settings);
  }
  return by_units(std::get<ServiceFile::ByUnit>(service.process).units, settings, clock);
}

}  // namespace serin::helper
