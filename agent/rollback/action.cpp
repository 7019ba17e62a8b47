#include "agent/rollback/action.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/rollback/attempt.h"
#include "agent/rollback/conditions.h"
#include "agent/rollback/journal.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

constexpr int64_t kMostRunUs = int64_t{14} * 60 * kSecondUs;  // the unit's own limit is 15 min
constexpr size_t kMostRuns =
    5;  // an action that dies again and again is a fault of ours, not of the host

Result<void> finish(Journal& journal, std::string_view word, std::string_view text) {
  if (auto done = journal.append(word, text); !done) return done;
  return journal.retire();
}

Result<Command> command_of(const Record& record) {
  const auto envelope = wire::decode_signed(record.envelope);
  if (!envelope) return std::unexpected(envelope.error());
  return wire::decode_command(envelope->payload);
}

/// Whether anything may have been changed by an action of the list. A link that was about to be
/// switched and was not is no change.
bool changed_anything(const Record& record) {
  return record.count("switched") + record.count("will_run") + record.count("will_restart") > 0;
}

/// Whether the next action may begin. A refusal is the command's, not the action's: no other action
/// may take its place. Once one has changed something the conditions are no longer those of the
/// command, and only people hold back what is left to try.
Judged<void> may_begin(const ActionContext& c, const Progress& progress) {
  const bool resumed = progress.entry && !progress.given_up && progress.acted();
  if (resumed) return {};
  if (changed_anything(c.journal.record())) return check_holds(c.command, c.settings);
  return check_conditions(c.command, c.service, c.settings, c.clock);
}

/// Tries one action after the other; the text of the first that worked, or why none did.
Result<std::string> try_actions(const ActionContext& context, int64_t run_deadline_boot_us) {
  const auto& actions = context.service.rollback;
  const auto progress = progress_of(context.journal.record(), {});
  size_t number = progress.entry.value_or(0);
  std::string failures = progress.given_up.value_or("");
  if (progress.given_up) ++number;
  for (; number < actions.size(); ++number) {
    if (auto allowed = may_begin(context, progress_of(context.journal.record(), {})); !allowed) {
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
    if (auto noted = context.journal.append("gave_up", failures); !noted)
      return std::unexpected(noted.error());
  }
  return fail(failures.empty() ? "no action is configured any more" : failures);
}

}  // namespace

Result<void> run_action(const std::string& service_name, const Settings& settings,
                        const Clock& clock, StepObserver& observer) {
  const JournalFolder folder(settings.state);
  auto taken = Journal::take(folder, service_name, clock, observer);
  if (!taken) return std::unexpected(taken.error());
  if (!*taken) return {};
  Journal& journal = **taken;
  if (journal.record().finished()) return journal.retire();
  const size_t runs = journal.record().count("run");
  if (runs >= kMostRuns) {
    return finish(journal, "failed",
                  fmt::format("the action was interrupted {} times; not tried again", runs));
  }
  if (auto done = journal.append("run", std::to_string(runs + 1)); !done) return done;

  const auto command = command_of(journal.record());
  if (!command) return finish(journal, "failed", command.error().message);
  const auto service = check_address(*command, settings);
  if (!service) return finish(journal, "failed", service.error().text);
  const ActionContext context{settings, clock, observer, journal, *command, *service};
  const auto outcome = try_actions(context, clock.boot_us() + kMostRunUs);
  auto finished = finish(journal, outcome ? "verified" : "failed",
                         outcome ? *outcome : outcome.error().message);
  folder.trim(clock.wall_us());
  return finished;
}

}  // namespace serin::helper
