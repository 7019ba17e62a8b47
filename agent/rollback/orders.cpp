#include <fmt/core.h>

#include "agent/rollback/answers.h"
#include "agent/rollback/attempts.h"
#include "agent/rollback/dead_man.h"
#include "agent/rollback/drill.h"
#include "agent/rollback/helper.h"
#include "agent/rollback/standing.h"
#include "common/log.h"
#include "schema/wire.h"

// What the helper does with a command whose signature holds, and with the dead-man's hint.

namespace serin::helper {

HelperReply Helper::obey(const Command& command, const Bytes& envelope) {
  const auto service = check_address(command, settings_);
  if (!service) return refused(service.error());
  switch (command.kind) {
    case CommandKind::rollback:
    case CommandKind::drill:
      return take_in(command, *service, envelope);
    case CommandKind::cancel:
      return cancel(command, envelope);
    case CommandKind::confirm:
      return confirm(command);
  }
  return refused(Refusal::unsupported, "not a kind of command that this version of Serin knows");
}

HelperReply Helper::take_in(const Command& command, const ServiceFile& service,
                            const Bytes& envelope) {
  const auto lock = journals_.lock();
  if (!lock) return not_possible(lock.error());
  const auto done = journals_.done(command.id);
  if (!done) return not_possible(done.error());
  if (*done) return report(**done);
  const auto pending = journals_.pending(command.service);
  if (!pending) return refused(Refusal::busy, pending.error().message);
  if (*pending && (*pending)->id == command.id) return status(command.service);
  if (auto idle = make_room(*pending); !idle) return refused(idle.error());
  const bool drill = command.kind == CommandKind::drill;
  const auto allowed = drill ? check_drill(command, service, settings_, clock_)
                             : check_conditions(command, service, settings_, clock_);
  if (!allowed) return refused(allowed.error());
  const auto task = drill ? HelperTask::drill : HelperTask::rollback;
  auto created = journals_.create(
      {.service = command.service, .id = command.id, .task = task, .envelope = envelope},
      clock_.wall_us(), observer_);
  if (!created) return refused(Refusal::action, "nothing was done: " + created.error().message);
  if (!drill) note_condemned(command);
  log::info("{}: command {} accepted: {} from {} to {}", command.service, command.id,
            name(command.kind), command.condemned, command.target);
  return begin(command, task);
}

HelperReply Helper::begin(const Command& command, HelperTask task) {
  observer_.reached("before launching");
  launch(command.service);
  return {.answer = HelperAnswer::accepted,
          .command = command.id,
          .deploy = command.deploy,
          .condemned = command.condemned,
          .target = command.target,
          .task = task};
}

/// One at a time: what is finished goes to done/, what is not is in the way.
Judged<void> Helper::make_room(const std::optional<Record>& pending) {
  if (!pending) return {};
  if (!pending->finished()) {
    return std::unexpected(
        Refused{Refusal::busy, fmt::format("command {} is being carried out", pending->id)});
  }
  if (auto moved = journals_.retire(*pending); !moved)
    return std::unexpected(Refused{Refusal::busy, moved.error().message});
  return {};
}

/// A version that is rolled back is nothing to go back to, whatever was said of it before.
void Helper::note_condemned(const Command& command) {
  const auto noted =
      Standing(settings_, command.service)
          .add({.issued_us = command.issued_us, .confirmed = false, .version = command.condemned});
  if (!noted) log::error("{}: {}", command.service, noted.error().message);
}

HelperReply Helper::confirm(const Command& command) {
  if (auto early = check_deadline(command, clock_); !early) return refused(early.error());
  const auto noted =
      Standing(settings_, command.service)
          .add({.issued_us = command.issued_us, .confirmed = true, .version = command.target});
  if (!noted) return not_possible(noted.error());
  if (!*noted) {
    return refused(Refusal::expired,
                   fmt::format("a later command said otherwise of {}", command.target));
  }
  return {.answer = HelperAnswer::done, .command = command.id, .target = command.target};
}

/// What has changed nothing yet is dropped; what never came will not be carried out when it comes.
HelperReply Helper::cancel(const Command& command, const Bytes& envelope) {
  if (auto early = check_deadline(command, clock_); !early) return refused(early.error());
  const auto lock = journals_.lock();
  if (!lock) return not_possible(lock.error());
  const auto why = "cancelled by command " + command.id;
  if (auto taken = Journal::take(journals_, command.service, clock_, observer_); !taken)
    return refused(Refusal::busy, taken.error().message);
  else if (*taken && (*taken)->record().id == command.supersedes)
    return drop(**taken, why);
  const auto pending = journals_.pending(command.service);
  if (!pending) return refused(Refusal::busy, pending.error().message);
  if (*pending && (*pending)->id == command.supersedes)
    return refused(Refusal::busy, "it is being carried out right now");
  // Looked at last: an action that ended meanwhile has moved it there.
  const auto done = journals_.done(command.supersedes);
  if (!done) return not_possible(done.error());
  if (*done) return report(**done);
  if (auto idle = make_room(*pending); !idle) return refused(idle.error());
  auto buried = journals_.bury({.service = command.service,
                                .id = command.supersedes,
                                .envelope = envelope,
                                .first = "cancelled"},
                               clock_.wall_us(), observer_);
  if (!buried) return refused(Refusal::action, "nothing was done: " + buried.error().message);
  const auto record = journals_.done(command.supersedes);
  return record && *record ? report(**record) : not_possible({"the journal is gone"});
}

HelperReply Helper::drop(Journal& journal, std::string_view why) {
  if (!journal.record().finished()) {
    const auto progress = progress_of(journal.record(), {});
    if (progress.acted() || changed_anything(journal.record()))
      return refused(Refusal::busy, "it has changed something already and is carried to its end");
    if (auto noted = journal.append("cancelled", why); !noted) return not_possible(noted.error());
  }
  const HelperReply reply = report(journal.record());
  // Not moved is no harm: the next command or action finds it finished.
  if (auto moved = journal.retire(); !moved) log::warning("{}", moved.error().message);
  return reply;
}

HelperReply Helper::dead_man(const std::string& name) {
  const auto service = check_service(name, settings_);
  if (!service) return refused(service.error());
  const auto command = check_dead_man(*service, settings_, clock_);
  if (!command) return refused(command.error());
  const auto lock = journals_.lock();
  if (!lock) return not_possible(lock.error());
  const auto done = journals_.done(command->id);
  if (!done) return not_possible(done.error());
  if (*done) {
    return refused(Refusal::target,
                   fmt::format("the dead-man has acted on {} before", command->condemned));
  }
  const auto pending = journals_.pending(name);
  if (!pending) return refused(Refusal::busy, pending.error().message);
  if (auto idle = make_room(*pending); !idle) return refused(idle.error());
  auto created = journals_.create({.service = name,
                                   .id = command->id,
                                   .task = HelperTask::dead_man,
                                   .envelope = wire::encode(*command),
                                   .first = "suspected"},
                                  clock_.wall_us(), observer_);
  if (!created) return refused(Refusal::action, "nothing was done: " + created.error().message);
  log::warning("{}: the agent is cut off; looking whether {} fails", name, command->condemned);
  return begin(*command, HelperTask::dead_man);
}

}  // namespace serin::helper
