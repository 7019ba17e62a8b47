#include "agent/rollback/attempts.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/rollback/conditions.h"

namespace serin::helper {
namespace {

/// Whether the next action may begin. A refusal is the command's, not the action's: no other action
/// may take its place. Once one has changed something the conditions are no longer those of the
/// command, and only people hold back what is left to try. Nobody holds back the way back of a
/// drill: it undoes what the drill itself has done.
Judged<void> may_begin(const ActionContext& c, const Progress& progress) {
  const bool resumed = progress.entry && !progress.given_up && progress.acted();
  if (resumed || !c.way.empty()) return {};
  if (changed_anything(c.journal.record())) return check_holds(c.command.service, c.settings);
  return check_conditions(c.command, c.service, c.settings, c.clock);
}

}  // namespace

bool changed_anything(const Record& record) {
  return record.count("switched") + record.count("will_run") + record.count("will_restart") > 0;
}

Result<void> finish(Journal& journal, std::string_view word, std::string_view text) {
  if (auto done = journal.append(word, text); !done) return done;
  return journal.retire();
}

Result<std::string> try_actions(const ActionContext& context, int64_t run_deadline_boot_us) {
  const auto& actions = context.service.rollback;
  const auto progress = progress_of(context.journal.record(), {}, context.way);
  size_t number = progress.entry.value_or(0);
  std::string failures = progress.given_up.value_or("");
  if (progress.given_up) ++number;
  for (; number < actions.size(); ++number) {
    const auto so_far = progress_of(context.journal.record(), {}, context.way);
    if (auto allowed = may_begin(context, so_far); !allowed) {
      return fail(fmt::format("{}{}{}: {}", failures, failures.empty() ? "" : "; ",
                              name(allowed.error().refusal), allowed.error().text));
    }
    const int64_t now = context.clock.boot_us();
    const int64_t deadline =
        std::min(run_deadline_boot_us, now + microseconds(actions[number].timeout_seconds));
    const auto outcome = Attempt(context, number, deadline).perform(failures);
    if (outcome) return outcome;
    failures += fmt::format("{}{} (action {}): {}", failures.empty() ? "" : "; ",
                            actions[number].action, number + 1, outcome.error().message);
    if (auto noted = context.note("gave_up", failures); !noted)
      return std::unexpected(noted.error());
  }
  return fail(failures.empty() ? "no action is configured any more" : failures);
}

}  // namespace serin::helper
