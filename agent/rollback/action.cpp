#include "agent/rollback/action.h"

#include <fmt/core.h>

#include "agent/rollback/attempts.h"
#include "agent/rollback/conditions.h"
#include "agent/rollback/dead_man.h"
#include "agent/rollback/drill.h"

namespace serin::helper {
namespace {

constexpr int64_t kMostRunUs = int64_t{14} * 60 * kSecondUs;  // the unit's own limit is 15 min
constexpr size_t kMostRuns =
    5;  // an action that dies again and again is a fault of ours, not of the host

Result<void> perform(const ActionContext& context, size_t runs) {
  const int64_t deadline = context.clock.boot_us() + kMostRunUs;
  if (context.journal.record().task == HelperTask::drill) {
    return perform_drill(context,
                         {.deadline_boot_us = deadline, .give_up_there = runs >= kMostRuns});
  }
  if (context.journal.record().task == HelperTask::dead_man) {
    const auto taken_up = take_up_dead_man(context, runs);
    if (!taken_up) return std::unexpected(taken_up.error());
    if (!*taken_up) return {};
  }
  const auto outcome = try_actions(context, deadline);
  return finish(context.journal, outcome ? "verified" : "failed",
                outcome ? *outcome : outcome.error().message);
}

/// A drill has as many runs again for its way back.
size_t most_runs(const Record& record) {
  return record.task == HelperTask::drill ? 2 * kMostRuns : kMostRuns;
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
  if (runs >= most_runs(journal.record())) {
    return finish(journal, "failed",
                  fmt::format("the action was interrupted {} times; not tried again", runs));
  }
  if (auto done = journal.append("run", std::to_string(runs + 1)); !done) return done;

  const auto command = command_of(journal.record());
  if (!command) return finish(journal, "failed", command.error().message);
  const auto service = check_address(*command, settings);
  if (!service) return finish(journal, "failed", service.error().text);
  auto finished = perform({settings, clock, observer, journal, *command, *service}, runs);
  folder.trim(clock.wall_us());
  return finished;
}

}  // namespace serin::helper
