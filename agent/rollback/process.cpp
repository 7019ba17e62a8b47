#include "agent/rollback/process.h"

#include <fmt/core.h>

#include <charconv>
#include <sstream>

#include "common/file.h"

namespace serin::helper {
namespace {

constexpr size_t kMostStatBytes = size_t{16} * 1024;
constexpr std::string_view kDeleted = " (deleted)";

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::optional<uid_t> effective_uid(const std::filesystem::path& folder) {
  const auto status = read_file(folder / "status", kMostStatBytes);
  if (!status) return std::nullopt;
  const size_t at = status->find("\nUid:");
  if (at == std::string::npos) return std::nullopt;
  std::istringstream fields(status->substr(at + 5));
  uid_t real = 0;
  uid_t effective = 0;
  if (!(fields >> real >> effective)) return std::nullopt;
  return effective;
}

}  // namespace

std::optional<Process> read_process(const std::filesystem::path& proc, pid_t pid) {
  const auto folder = proc / std::to_string(pid);
  const auto stat = read_file(folder / "stat", kMostStatBytes);
  const auto uid = effective_uid(folder);
  if (!stat || !uid) return std::nullopt;
  // The name in parentheses may hold anything, so the fields begin after the last ")".
  const size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat->substr(name_end + 1));
  Process process{.pid = pid, .uid = *uid};
  fields >> process.state >> process.parent;
  std::string skipped;
  for (int field = 5; field < 22; ++field) fields >> skipped;
  if (!(fields >> process.start_ticks)) return std::nullopt;
  if (process.state == 'Z' || process.state == 'X') return std::nullopt;
  return process;
}

std::vector<Process> all_processes(const std::filesystem::path& proc) {
  std::vector<Process> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(proc, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().native();
    pid_t pid = 0;
    const auto [stop, fault] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (fault != std::errc() || stop != name.data() + name.size()) continue;
    if (auto process = read_process(proc, pid)) found.push_back(*process);
  }
  return found;
}

std::optional<std::filesystem::path> process_link(const std::filesystem::path& proc, pid_t pid,
                                                  const char* link) {
  std::error_code error;
  auto target = std::filesystem::read_symlink(proc / std::to_string(pid) / link, error).native();
  if (error || target.empty() || target.front() != '/') return std::nullopt;
  if (target.ends_with(kDeleted)) target.resize(target.size() - kDeleted.size());
  return target;
}

std::string boot_id(const std::filesystem::path& proc) {
  return trimmed(read_file(proc / "sys/kernel/random/boot_id", kMostStatBytes).value_or(""));
}

std::string generation_of(const std::filesystem::path& proc, const Process& process) {
  return fmt::format("{}:{}:{}", boot_id(proc), process.pid, process.start_ticks);
}

}  // namespace serin::helper
