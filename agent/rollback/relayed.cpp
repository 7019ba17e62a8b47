#include "agent/rollback/relayed.h"

#include "agent/rollback/cause.h"

namespace serin::agent {

bool Relayed::delivers_action() const {
  return delivery && (delivery->command.kind == CommandKind::rollback ||
                      delivery->command.kind == CommandKind::drill);
}

void Relayed::take_progress(const HelperReply& reply) {
  // Before it has said that it takes the case up, the dead-man only looks.
  const bool looks_only = reply.task == HelperTask::dead_man && reply.steps.empty();
  in_progress =
      (reply.answer == HelperAnswer::accepted || reply.answer == HelperAnswer::in_progress) &&
      !looks_only;
  task = reply.task;
  condemned = reply.condemned;
  target = reply.target;
}

std::optional<Cause> Relayed::cause_of(const std::string& version) const {
  if (in_progress) {
    if (auto cause = cause_of_start(task, condemned, target, version)) return cause;
  }
  if (!delivers_action()) return std::nullopt;
  const Command& command = delivery->command;
  return cause_of_start(task_of(command), command.condemned, command.target, version);
}

HelperTask task_of(const Command& command) {
  return command.kind == CommandKind::drill ? HelperTask::drill : HelperTask::rollback;
}

Event step_event(const std::string& service, HelperTask task, const std::string& command,
                 const std::string& deploy, const std::string& target, const HelperStep& step) {
  Event event;
  event.service = service;
  event.kind = task == HelperTask::drill ? EventKind::drill_step : EventKind::rollback_step;
  event.wall_us = step.wall_us;
  event.version = target;
  event.step = step.name;
  event.reason = step.reason;
  event.command = command;
  event.deploy = deploy;
  return event;
}

}  // namespace serin::agent
