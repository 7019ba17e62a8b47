#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

// Hosts that are back: by themselves, cut off from everybody (the dead-man), and whether what they came back to is the
// same everywhere.

namespace serin::core {
namespace {

/// An artefact that names the code itself, so that it can be compared between hosts; inodes and times cannot.
bool names_code(std::string_view artefact) {
  return !artefact.empty() && artefact.find(':') == std::string_view::npos;
}

}  // namespace

/// The host has done what nobody commanded. That it did is a fact, and as good a reason as any guardrail.
void Fold::State::leave_by_itself(Service& service, Deploy& deploy, Track& track, const std::string& to, int64_t at_us) {
  Canary& canary = *deploy.find(track.index);
  canary.left = canary.restored_by_us = canary.dead_man = true;
  canary.left_us = now_us;
  canary.target = to;
  if (canary.commanded_us == 0) canary.commanded_us = at_us;
  if (deploy.battery && deploy.verdict.empty()) deploy.battery->leave(track.index);
  const std::string text = fmt::format("{} went back from {} to {} by itself: {} failed there, unconfirmed, and nobody "
                                       "could be reached",
                                       track.host, deploy.version, to, deploy.version);
  Reason reason{.kind = ReasonKind::guardrail, .metric = "dead_man", .host = track.host, .text = text};
  deploy.note(at_us, "dead_man", track.host, text);
  Decision decision = decision_of(deploy, DecisionKind::dead_man, track.host);
  decision.effect_id = fmt::format("{}/dead_man/{}/{}", deploy.id, track.host, canary.ordinal);
  decision.reason = reason;
  emit(std::move(decision));
  if (deploy.verdict.empty() && contradicts_audit(deploy, DecisionKind::rollback)) return;
  const bool decides = deploy.verdict.empty();
  if (decides) condemn(service, deploy, std::move(reason), {});
  if (deploy.present() > 0) {
    if (decides) act_on_verdict(service, deploy);
    return after_steps(service, deploy);
  }
  // Nobody runs it any more: there is nothing left to ask people for, or to hold.
  if (decides) tell("rollback", deploy, fmt::format("{} {} is off its hosts: {}", service.name, deploy.version, text));
  if (!deploy.acting() && deploy.state != DeployState::rolled_back) deploy.state = DeployState::rolling_back;
  after_steps(service, deploy);
}

/// No deploy is open that this could end: a version that had passed, or one whose watch is over.
void Fold::State::tell_dead_man(const Service& service, const Track& track, const std::string& from, int64_t at_us) {
  const std::string text = fmt::format("{} went back from {} to {} by itself: it failed there, unconfirmed, and nobody "
                                       "could be reached",
                                       track.host, from, track.version);
  Decision decision;
  decision.effect_id = fmt::format("{}|{}/dead_man//{}", service.name, track.host, at_us);
  decision.kind = DecisionKind::dead_man;
  decision.service = service.name;
  decision.version = from;
  decision.previous = track.version;
  decision.at_us = now_us;
  decision.input_sequence = last_sequence;
  decision.hosts = {track.host};
  decision.reason = {.kind = ReasonKind::guardrail, .metric = "dead_man", .host = track.host, .text = text};
  Notification note;
  note.effect_id = decision.effect_id + "/notify";
  note.kind = "dead_man";
  note.service = service.name;
  note.version = from;
  note.previous = track.version;
  note.hosts = {track.host};
  note.at_us = now_us;
  note.reason = decision.reason;
  note.text = fmt::format("{}: {}", service.name, text);
  emit(std::move(decision));
  effects.emplace_back(std::move(note));
}

/// The same name must be the same code on every host that was put back.
void Fold::State::check_agreement(const Service& service, Deploy& deploy) {
  std::map<std::string, std::map<std::string, std::vector<std::string>>> hosts;  // by version, by artefact
  for (const Canary& canary : deploy.canaries) {
    const Track& track = *service.tracks[canary.host];
    if (!canary.back() || track.version != canary.target || !names_code(track.artefact)) continue;
    hosts[track.version][track.artefact].push_back(track.host);
  }
  for (auto& [version, artefacts] : hosts) {
    // What runs under that name on the others is compared as well.
    for (const auto& track : service.tracks) {
      if (track->gone || track->version != version || !names_code(track->artefact)) continue;
      const Canary* canary = deploy.find(track->index);
      if (canary == nullptr || !canary->back()) artefacts[track->artefact].push_back(track->host);
    }
    if (artefacts.size() < 2) continue;
    std::string text = fmt::format("{} {} is not the same everywhere after {} was rolled back", service.name, version,
                                   deploy.version);
    for (const auto& [artefact, names] : artefacts) {
      constexpr size_t kMostNames = 4, kShownDigits = 12;
      const std::vector<std::string> shown(names.begin(), names.begin() + static_cast<ptrdiff_t>(std::min(kMostNames, names.size())));
      text += fmt::format("; {} on {}{}", artefact.substr(0, kShownDigits), words_list(shown),
                          names.size() > kMostNames ? fmt::format(" and {} more", names.size() - kMostNames) : "");
    }
    deploy.note(now_us, "disagreement", "", text);
    Decision decision = decision_of(deploy, DecisionKind::disagreement, version);
    decision.reason = {.kind = ReasonKind::none, .metric = {}, .text = text};
    emit(std::move(decision));
    tell("disagreement", deploy, text, version);
  }
}

}  // namespace serin::core
