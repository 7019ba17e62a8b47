#include "agent/rollback/locate.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "agent/rollback/inspect.h"
#include "agent/rollback/program.h"
#include "common/file.h"

namespace serin::helper {
namespace {

constexpr size_t kMostPidFileBytes = 64;
constexpr int64_t kAskManagerUs = 5 * kSecondUs;  // systemctl show answers in ~10 ms

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

Result<std::vector<Located>> by_pid_file(const std::filesystem::path& path,
                                         const Settings& settings) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::vector<Located>{};
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0) {
    return fail(fmt::format("pid file {}: {}", path.native(), errno_text(errno)));
  }
  if (!S_ISREG(facts.st_mode)) return fail(fmt::format("pid file {} is no file", path.native()));
  const auto text = read_all(fd.get(), kMostPidFileBytes, path.native());
  const auto pid = text ? number_from<pid_t>(*text) : std::nullopt;
  if (!pid || *pid <= 1) return fail(fmt::format("pid file {} holds no pid", path.native()));
  const auto process = read_process(settings.proc, *pid);
  if (!process) return std::vector<Located>{};
  const bool anyones = (facts.st_mode & S_IWOTH) != 0;
  if (anyones || (facts.st_uid != 0 && facts.st_uid != process->uid)) {
    return fail(fmt::format("pid file {} is {}: it may not name process {} of uid {}",
                            path.native(),
                            anyones ? "writable by others" : fmt::format("uid {}'s", facts.st_uid),
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

Result<std::vector<Located>> by_units(const std::vector<std::string>& units,
                                      const Settings& settings, const Clock& clock) {
  std::vector<Located> found;
  for (const std::string& unit : units) {
    const auto shown = ask_program({.argv = {settings.systemctl.native(), "show",
                                             "--property=MainPID,InvocationID", "--", unit},
                                    .environment = {},
                                    .deadline_boot_us = clock.boot_us() + kAskManagerUs,
                                    .before_start = {}},
                                   clock);
    if (!shown) return std::unexpected(shown.error());
    const auto pid = number_from<pid_t>(property(*shown, "MainPID"));
    if (!pid || *pid <= 1) continue;
    const auto process = read_process(settings.proc, *pid);
    if (!process) continue;
    found.push_back({*process, unit + ":" + property(*shown, "InvocationID")});
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
