#include "agent/recorder/writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <ranges>

#include "agent/probe/proc_parse.h"

namespace serin::agent {
namespace {

using Kind = WriterJudge::Verdict::Kind;

constexpr size_t kMostProcBytes = 16384;
constexpr int kMostAncestors = 16;
constexpr size_t kMostUsers = 16;
/// Start ticks are rounded down by 10 ms, and a manager notes the start of its child as it likes.
constexpr int64_t kStartSlackUs = 50'000;

std::vector<uint32_t> users_of(std::string_view status) {
  std::vector<uint32_t> users;
  size_t at = status.find("\nUid:");
  if (at == std::string_view::npos) return users;
  std::string_view line = status.substr(at + 5, status.find('\n', at + 1) - at - 5);
  for (auto part : std::views::split(line, '\t')) {
    uint32_t user = 0;
    std::string_view text(part.begin(), part.end());
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), user);
    if (error == std::errc{} && end == text.data() + text.size()) users.push_back(user);
  }
  return users;
}

bool holds(const std::vector<uint32_t>& users, uint32_t user) {
  return std::ranges::find(users, user) != users.end();
}

WriterJudge::Verdict unknown(std::string reason) {
  return {.kind = Kind::unknown, .span = 0, .reason = std::move(reason)};
}
WriterJudge::Verdict foreign(std::string reason) {
  return {.kind = Kind::foreign, .span = 0, .reason = std::move(reason)};
}
WriterJudge::Verdict ours(uint32_t span) {
  return {.kind = Kind::ours, .span = span, .reason = {}};
}

}  // namespace

std::optional<ProcessLook> look_at_process(const std::filesystem::path& proc, int32_t pid) {
  auto folder = proc / std::to_string(pid);
  auto text = read_file(folder / "stat", kMostProcBytes);
  auto stat = text ? parse_stat(*text) : std::nullopt;
  if (!stat || stat->state == 'Z' || stat->state == 'X') return std::nullopt;
  ProcessLook look{.start_ticks = stat->start_ticks, .parent = stat->parent};
  if (auto status = read_file(folder / "status", kMostProcBytes)) look.users = users_of(*status);
  if (auto cgroup = read_file(folder / "cgroup", kMostProcBytes)) look.cgroup = *cgroup;
  return look;
}

std::optional<std::string> unit_of(std::string_view cgroup_text,
                                   const std::vector<std::string>& units) {
  for (auto part : std::views::split(cgroup_text, '\n')) {
    std::string_view line(part.begin(), part.end());
    if (!line.starts_with("0::") && line.find(":name=systemd:") == std::string_view::npos) continue;
    for (auto component : std::views::split(line.substr(line.find('/') + 1), '/')) {
      std::string_view name(component.begin(), component.end());
      auto unit = std::ranges::find(units, name);
      if (unit != units.end()) return *unit;
    }
  }
  return std::nullopt;
}

WriterJudge::WriterJudge(const ServiceFile& service, Setting setting)
    : setting_(std::move(setting)) {
  if (const auto* by = std::get_if<ServiceFile::ByUnit>(&service.process)) units_ = by->units;
}

/// By the lock, which also holds where the writer is in a namespace with numbers of its own; a
/// program that closed all its descriptors has lost that, and is known by its number and start.
std::optional<int32_t> WriterJudge::living(const RecorderFile& file) const {
  if (int32_t pid = file.locked_by(); pid > 0) return pid;
  auto look = look_at_process(setting_.proc, file.head().pid);
  bool same = look && look->start_ticks == file.head().start_ticks &&
              file.head().boot_id == setting_.boot_id;
  return same ? std::optional(file.head().pid) : std::nullopt;
}

WriterJudge::Verdict WriterJudge::judge(const RecorderFile& file, std::optional<int32_t> living,
                                        const Timeline& timeline, const WallOfTicks& wall_of) {
  return living ? judge_living(file, *living, timeline, wall_of)
                : judge_dead(file, timeline, wall_of);
}

WriterJudge::Verdict WriterJudge::judge_living(const RecorderFile& file, int32_t pid,
                                               const Timeline& timeline,
                                               const WallOfTicks& wall_of) {
  auto look = look_at_process(setting_.proc, pid);
  if (!look || look->users.empty())
    return unknown(fmt::format("process {} ended, or is hidden from the agent (hidepid)", pid));
  if (file.owner() != 0 && !holds(look->users, file.owner()))
    return foreign(fmt::format("it belongs to user {}, and process {} is user {}'s", file.owner(),
                               pid, look->users.front()));
  Verdict verdict = units_.empty() ? by_ancestor(pid, *look, timeline)
                                   : by_unit(*look, timeline, wall_of(look->start_ticks));
  if (verdict.kind != Kind::ours) return verdict;
  for (uint32_t user : look->users)
    if (!holds(users_, user) && users_.size() < kMostUsers) users_.push_back(user);
  return verdict;
}

/// It ended before anybody could look: its owner must be one as whom the service was seen to run.
WriterJudge::Verdict WriterJudge::judge_dead(const RecorderFile& file, const Timeline& timeline,
                                             const WallOfTicks& wall_of) const {
  const RecorderHead& head = file.head();
  if (head.boot_id != setting_.boot_id) return foreign("it was written before the last boot");
  if (file.owner() != 0 && !holds(users_, file.owner()))
    return unknown(
        fmt::format("its process {} has ended, and no process of the service was seen "
                    "to be user {}'s, who owns it",
                    head.pid, file.owner()));
  std::string generation = generation_of(head.pid, head.start_ticks);
  for (const auto& span : timeline.spans())
    if (units_.empty() && span.generation == generation) return ours(span.id);
  const auto* span = timeline.at(wall_of(head.start_ticks) + kStartSlackUs);
  return span != nullptr ? ours(span->id) : unknown("the agent has seen no start yet");
}

WriterJudge::Verdict WriterJudge::by_unit(const ProcessLook& look, const Timeline& timeline,
                                          int64_t start_us) const {
  auto unit = unit_of(look.cgroup, units_);
  if (!unit) return foreign("its process is in the control group of another unit");
  const Timeline::Span* found = nullptr;
  for (const auto& span : timeline.spans())
    if (span.generation.starts_with(*unit + ":") && span.start_us <= start_us + kStartSlackUs)
      found = &span;
  if (found == nullptr) return unknown("the agent has not heard yet of the start of " + *unit);
  return ours(found->id);
}

WriterJudge::Verdict WriterJudge::by_ancestor(int32_t pid, ProcessLook look,
                                              const Timeline& timeline) const {
  int32_t at = pid;
  for (int i = 0; i < kMostAncestors; ++i) {
    std::string generation = generation_of(at, look.start_ticks);
    for (const auto& span : timeline.spans())
      if (span.generation == generation) return ours(span.id);
    at = look.parent;
    auto parent = at > 1 ? look_at_process(setting_.proc, at) : std::nullopt;
    if (!parent) break;
    look = std::move(*parent);
  }
  return unknown(
      fmt::format("process {} is not the service's main process, nor descends from it", pid));
}

std::string WriterJudge::generation_of(int32_t pid, uint64_t start_ticks) const {
  return fmt::format("{}:{}:{}", setting_.boot_id, pid, start_ticks);
}

}  // namespace serin::agent
