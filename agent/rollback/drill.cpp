#include "agent/rollback/drill.h"

#include <fmt/core.h>

#include <sstream>

#include "agent/rollback/attempts.h"
#include "agent/rollback/state_file.h"

namespace serin::helper {
namespace {

constexpr const char* kFolder = "drills";

/// When a word was written last; 0 when it never was.
int64_t time_of(const Record& record, std::string_view word) {
  int64_t wall_us = 0;
  for (const JournalEntry& entry : record.entries) {
    if (entry.word == word) wall_us = entry.wall_us;
  }
  return wall_us;
}

std::string text_of(const Record& record, std::string_view word) {
  for (const JournalEntry& entry : record.entries) {
    if (entry.word == word) return entry.text;
  }
  return {};
}

double seconds_between(const Record& record, std::string_view from, std::string_view to) {
  const int64_t span_us = time_of(record, to) - time_of(record, from);
  return static_cast<double>(std::max<int64_t>(span_us, 0)) / kSecondUs;
}

/// Still the process from before, and nothing else selected: there is nothing to go back from.
bool stands_as_before(const ActionContext& context) {
  const auto progress = progress_of(context.journal.record(), {});
  if (progress.before.empty()) return true;
  const auto seen = inspect(context.service, context.settings, context.clock);
  if (!seen) return !changed_anything(context.journal.record());
  const bool selected = seen->selected.empty() || seen->selected == context.command.condemned;
  return selected && seen->running && seen->running->generation == progress.before;
}

/// Fine when the journal may go on to `turned`; `why_not` then says what kept it from getting
/// there.
Result<void> go_there(const ActionContext& context, const DrillLimits& limits,
                      std::string& why_not) {
  if (context.journal.record().count("verified") > 0) return {};
  if (limits.give_up_there) {
    why_not = "interrupted too often";
    return {};
  }
  const int64_t now = context.clock.boot_us();
  // The way back needs its time too.
  const auto outcome = try_actions(context, now + (limits.deadline_boot_us - now) / 2);
  if (outcome) return context.journal.append("verified", *outcome);
  why_not = outcome.error().message;
  return {};
}

Result<void> go_back(const ActionContext& context, const DrillLimits& limits,
                     std::string& why_not) {
  if (context.journal.record().count("back_verified") > 0) return {};
  const auto outcome = try_actions(context, limits.deadline_boot_us);
  if (outcome) return context.note("verified", *outcome);
  why_not = outcome.error().message;
  return {};
}

Result<void> conclude(const ActionContext& context, const std::string& back_failure) {
  Journal& journal = context.journal;
  const std::string there_failure = text_of(journal.record(), "turned");
  const auto& from = context.command.condemned;
  const double back = seconds_between(journal.record(), "turned", "back_verified");
  if (!back_failure.empty()) {
    return finish(journal, "failed",
                  fmt::format("{} does not run again: {}{}{}", from, back_failure,
                              there_failure.empty() ? "" : "; on the way there: ", there_failure));
  }
  if (!there_failure.empty()) {
    return finish(
        journal, "failed",
        fmt::format("back on {} in {:.1f} s; on the way there: {}", from, back, there_failure));
  }
  const double there = seconds_between(journal.record(), "accepted", "verified");
  const auto kept = write_state_file(
      context.settings.state / kFolder, context.command.service,
      fmt::format("{} {:.3f}\n", time_of(journal.record(), "back_verified"), there));
  if (!kept) return kept;
  return finish(journal, "drilled",
                fmt::format("there in {:.1f} s, back in {:.1f} s", there, back));
}

}  // namespace

Command way_back(const Command& drill) {
  Command back = drill;
  std::swap(back.condemned, back.target);
  back.force = true;
  return back;
}

Judged<void> check_drill(const Command& command, const ServiceFile& service,
                         const Settings& settings, const Clock& clock) {
  if (auto there = check_conditions(command, service, settings, clock); !there) return there;
  const auto seen = inspect(service, settings, clock);
  if (!seen || !seen->running) {
    return std::unexpected(Refused{Refusal::not_running, "nothing runs that a drill could leave"});
  }
  auto back = check_possible(way_back(command), service, settings, clock);
  if (!back) back.error().text = "the way back: " + back.error().text;
  return back;
}

Result<void> perform_drill(const ActionContext& context, const DrillLimits& limits) {
  Journal& journal = context.journal;
  if (journal.record().count("turned") == 0) {
    std::string why_not;
    if (auto gone = go_there(context, limits, why_not); !gone) return gone;
    if (!why_not.empty() && stands_as_before(context)) return finish(journal, "failed", why_not);
    if (auto noted = journal.append("turned", why_not); !noted) return noted;
  }
  const Command command = way_back(context.command);
  const ActionContext back{context.settings, context.clock,   context.observer, journal,
                           command,          context.service, "back_"};
  std::string why_not;
  if (auto gone = go_back(back, limits, why_not); !gone) return gone;
  return conclude(context, why_not);
}

std::optional<Rehearsal> last_rehearsal(const std::filesystem::path& state,
                                        const std::string& service) {
  std::istringstream fields(read_state_file(state / kFolder, service));
  Rehearsal last;
  if (!(fields >> last.wall_us >> last.seconds) || last.seconds < 0 || last.wall_us < 0)
    return std::nullopt;
  return last;
}

}  // namespace serin::helper
