#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "aggregator/core/state.h"

// Commands are taken back while the host has not answered them. The cancel takes the command's place in the stream
// (one message a host and service), so that a host which was away never sees what is not wanted any more.

namespace serin::core {

void Fold::State::take_back(const CommandOrder& unwanted, int ordinal) {
  const Command& command = unwanted.command;
  const Track* track = services.at(command.service).find(command.host);
  CommandOrder order = unwanted;
  order.command.kind = CommandKind::cancel;
  order.command.supersedes = command.id;
  order.command.id = command_id(command.deploy, command.host, command.service, "cancel", ordinal);
  order.command.revision = 1;
  order.command.issued_us = now_us;
  order.command.not_after_us = now_us + track->wall_offset_us + kCommandLifeUs;
  order.effect_id = fmt::format("{}/cancel/{}/{}.1", command.deploy, command.host, ordinal);
  effects.emplace_back(order);
  // What was signed may be carried out until then; afterwards nothing needs to be taken back.
  cancels.push_back({std::move(order), ordinal, now_us + kUnansweredUs, now_us + kCommandLifeUs});
}

/// Of a whole deploy: hosts that have answered go on.
void Fold::State::take_back(const Service& service, Deploy& deploy, const std::string& why) {
  for (Canary& canary : deploy.canaries) {
    if (!canary.in_flight() || !canary.step.empty()) continue;
    take_back(order_for(service, deploy, canary), canary.ordinal);
    canary.taken_back = true;
    // What was not done does not count as done within the hour.
    auto& times = automatic_rollbacks[service.name + "|" + canary.name];
    if (deploy.actor.empty() && deploy.verdict == "rollback" && !times.empty()) times.pop_back();
    deploy.note(now_us, "cancelled", canary.name, "the command, not answered yet, is taken back: " + why);
  }
}

/// After a release: as if nothing had been commanded, by an id that no host knows.
void Fold::State::command_again(Deploy& deploy) {
  for (Canary& canary : deploy.canaries) {
    if (!canary.taken_back) continue;
    canary.taken_back = false;
    canary.superseded = std::exchange(canary.command, {});
    canary.revision = 0;
    ++canary.ordinal;
    std::erase_if(cancels, [&](const Cancel& cancel) {
      return cancel.order.command.supersedes == canary.superseded;
    });
  }
}

void Fold::State::watch_cancels() {
  std::erase_if(cancels, [&](const Cancel& cancel) { return now_us >= cancel.until_us; });
  for (Cancel& cancel : cancels) {
    if (now_us < cancel.next_issue_us) continue;
    cancel.next_issue_us = now_us + kUnansweredUs;
    Command& command = cancel.order.command;
    ++command.revision;
    cancel.order.effect_id =
        fmt::format("{}/cancel/{}/{}.{}", command.deploy, command.host, cancel.ordinal, command.revision);
    effects.emplace_back(cancel.order);
  }
}

/// Any word of the host about the cancel, or about what it cancels, is an answer.
void Fold::State::cancel_answered(const Track& track, const Event& event) {
  const auto cancel = std::ranges::find_if(cancels, [&](const Cancel& each) {
    const Command& command = each.order.command;
    return command.host == track.host && command.service == track.service &&
           (command.id == event.command || command.supersedes == event.command);
  });
  if (cancel == cancels.end()) return;
  const Command answered = cancel->order.command;
  cancels.erase(cancel);
  Deploy* deploy = deploy_by_id(answered.deploy);
  if (deploy == nullptr || event.command != answered.id) return;
  deploy->note(now_us, event.step == "refused" ? "refused" : "cancelled", track.host, event.reason);
  if (event.step != "refused") return;
  // Refused: it is under way already, and its own steps will tell.
  for (Canary& canary : deploy->canaries) {
    if (canary.command == answered.supersedes) canary.taken_back = false;
  }
}

bool Fold::State::subject_busy(std::string_view service, std::string_view host) const {
  const auto cancelled = [&](const Cancel& cancel) {
    return cancel.order.command.host == host && cancel.order.command.service == service;
  };
  return drilling(service, host) || std::ranges::any_of(cancels, cancelled) ||
         std::ranges::any_of(deploys, [&](const auto& deploy) {
           return deploy->open() && deploy->service == service &&
                  std::ranges::any_of(deploy->canaries, [&](const Canary& canary) {
                    return canary.name == host && canary.in_flight();
                  });
         });
}

}  // namespace serin::core
