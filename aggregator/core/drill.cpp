#include "aggregator/core/drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

// A drill takes a healthy host away for some seconds, so it is for the fold to say whether the fleet can spare it; what
// is done there, and undone when it goes wrong, is the host's own business.

namespace serin::core {
namespace {

/// The order in which a host reports.
int rank(std::string_view step) {
  constexpr std::array<std::string_view, 11> order = {
      "accepted",      "preflight",      "switched",     "restarted",     "healthy", "verified",
      "back_switched", "back_restarted", "back_healthy", "back_verified", "drilled"};
  const auto it = std::ranges::find(order, step);
  return it == order.end() ? -1 : static_cast<int>(it - order.begin());
}

double seconds(int64_t from_us, int64_t to_us) { return static_cast<double>(to_us - from_us) / 1e6; }

/// In the audit.
Decision entry_of(const Drill& drill, DecisionKind kind, int64_t at_us, uint64_t sequence) {
  const DrillView& view = drill.view;
  Decision decision;
  decision.effect_id = fmt::format("{}/{}/{}/0", view.id, name(kind), view.host);
  decision.kind = kind;
  decision.deploy = view.id;
  decision.service = view.service;
  decision.version = view.version;
  decision.previous = view.target;
  decision.at_us = at_us;
  decision.input_sequence = sequence;
  decision.hosts = {view.host};
  decision.reason = {.kind = ReasonKind::act, .metric = {}, .text = view.text};
  decision.actor = view.actor;
  return decision;
}

}  // namespace

std::string_view name(DrillState state) {
  switch (state) {
    case DrillState::running: return "running";
    case DrillState::drilled: return "drilled";
    case DrillState::failed: return "failed";
    case DrillState::refused: return "refused";
  }
  return "unknown";
}

bool Drill::take_step(const std::string& step, const std::string& reason, int64_t at_us) {
  const bool ends_badly = step == "failed" || step == "refused" || step == "cancelled";
  if (!ends_badly && rank(step) <= rank(view.step)) return false;
  view.step = step;
  if (view.timeline.size() < kMostSteps) view.timeline.push_back({at_us, step, view.host, reason});
  if (view.started_us == 0) view.started_us = at_us;
  if (step == "verified") view.there_seconds = seconds(view.started_us, at_us), view.there_us = at_us;
  if (step == "back_verified" && view.there_us != 0) view.back_seconds = seconds(view.there_us, at_us);
  return true;
}

bool Fold::State::drilling(std::string_view service, std::string_view host) const {
  return std::ranges::any_of(drills, [&](const Drill& drill) {
    return drill.running() && drill.view.service == service && drill.view.host == host;
  });
}

void Fold::State::ask_drill(const Control& control) {
  if (std::ranges::any_of(drills, [&](const Drill& known) { return known.view.id == control.id; })) return;
  Drill drill;
  DrillView& view = drill.view;
  view.id = control.id;
  view.service = control.service;
  view.host = control.host;
  view.actor = control.actor;
  view.reason = control.reason;
  view.asked_us = now_us;
  const auto service = services.find(control.service);
  const Track* track = service == services.end() ? nullptr : service->second.find(control.host);
  if (track != nullptr) {
    view.version = track->version;
    view.target = drill_target(service->second, *track);
  }
  const std::string why = track == nullptr ? fmt::format("{} is not known to run {}", view.host, view.service)
                                           : drill_refusal(service->second, *track, view.target);
  view.text = fmt::format("{} from {} to {} and back asked for by {}{}{}", view.host,
                          view.version.empty() ? "?" : view.version, view.target.empty() ? "?" : view.target,
                          view.actor, view.reason.empty() ? "" : ": ", view.reason);
  view.timeline.push_back({now_us, "asked", view.host, view.text});
  emit(entry_of(drill, DecisionKind::drill, now_us, last_sequence));
  drills.push_back(std::move(drill));
  forget_old_drills();
  if (!why.empty()) return end_drill(drills.back(), DrillState::refused, why);
  drills.back().command = command_id(control.id, control.host, control.service, "drill", 0);
  command_drill(drills.back());
}

/// What a rollback would go back to: as the fold would choose, else as the host's helper would.
std::string Fold::State::drill_target(const Service& service, const Track& track) const {
  const auto good = [&](const std::string& version) {
    return !version.empty() && version != track.version && !service.condemned(version, now_us);
  };
  if (good(track.previous) && service.settled(track.previous)) return track.previous;
  // A person asks, the host can be spared and checks what it starts: here a version nobody has judged will do.
  const std::string* ready = track.facts.value("rollback.target");
  return ready != nullptr && good(*ready) ? *ready : std::string();
}

/// Why the host cannot be spared, or could not do it; empty when it can.
std::string Fold::State::drill_refusal(const Service& service, const Track& track, const std::string& target) const {
  const auto same_service = [&](const auto& deploy) { return deploy->open() && deploy->service == service.name; };
  const auto running = [&](const Drill& other) { return other.running() && other.view.service == service.name; };
  if (const auto open = std::ranges::find_if(deploys, same_service); open != deploys.end()) {
    return fmt::format("deploy {} of {} is still open", (*open)->id, (*open)->version);
  }
  if (const auto other = std::ranges::find_if(drills, running); other != drills.end()) {
    return fmt::format("a drill on {} is under way", other->view.host);
  }
  if (subject_busy(service.name, track.host)) return fmt::format("{} has not answered its last command", track.host);
  if (const auto book = books.find(track.host); book != books.end() && book->second.in_conflict(now_us)) {
    return fmt::format("two agents speak as {}", track.host);
  }
  if (track.gone || now_us - track.last_heard_us > kSilentUs) return track.host + " is not heard";
  if (track.ambiguous || track.version.empty()) return fmt::format("which version runs on {} is not certain", track.host);
  if (track.phase != Phase::serving) return fmt::format("{} does not serve", track.host);
  if (const auto record = service.versions.find(track.version);
      record != service.versions.end() && record->second.irreversible) {
    return track.version + " was declared irreversible: it must not be left, not even for a drill";
  }
  if (const std::string* ready = track.facts.value("rollback.ready"); ready != nullptr && ready->starts_with("no")) {
    return fmt::format("{} is not ready for a rollback: {}", track.host, *ready);
  }
  if (target.empty()) return fmt::format("{} has no other version to go to that is not condemned", track.host);
  const size_t fleet = service.present_hosts();
  const auto healthy = static_cast<size_t>(std::ranges::count_if(service.tracks, [&](const auto& other) {
    return !other->gone && other->phase == Phase::serving && now_us - other->last_heard_us <= kSilentUs;
  }));
  const auto least = static_cast<size_t>(std::ceil(policies.of(service.name).min_healthy * static_cast<double>(fleet)));
  if (healthy - 1 < least) {
    return fmt::format("{} of {} hosts would serve meanwhile, and min_healthy asks for {}", healthy - 1, fleet, least);
  }
  return {};
}

CommandOrder Fold::State::order_for(const Drill& drill) const {
  const DrillView& view = drill.view;
  const Track* track = services.at(view.service).find(view.host);
  CommandOrder order;
  order.effect_id = fmt::format("{}/command/{}/{}", view.id, view.host, drill.revision);
  order.command.id = drill.command;
  order.command.revision = drill.revision;
  order.command.deploy = view.id;
  order.command.host = view.host;
  order.command.service = view.service;
  order.command.kind = CommandKind::drill;
  order.command.condemned = view.version;
  order.command.target = view.target;
  order.command.issued_us = now_us;
  order.command.not_after_us = view.asked_us + track->wall_offset_us + Drill::kAnswerUs;
  return order;
}

void Fold::State::command_drill(Drill& drill) {
  ++drill.revision;
  drill.next_issue_us = now_us + kUnansweredUs;
  effects.emplace_back(order_for(drill));
}

void Fold::State::drill_step(const Track& track, const Event& event, int64_t at_us) {
  const auto drill = std::ranges::find_if(drills, [&](const Drill& each) {
    return each.running() && each.command == event.command && each.view.host == track.host;
  });
  if (drill == drills.end() || !drill->take_step(event.step, event.reason, at_us)) return;
  if (event.step == "drilled") {
    const DrillView& view = drill->view;
    end_drill(*drill, DrillState::drilled,
              fmt::format("from {} to {} and back: {}", view.version, view.target,
                          !event.reason.empty() ? event.reason
                                                : fmt::format("there in {:.1f} s, back in {:.1f} s",
                                                              view.there_seconds.value_or(0), view.back_seconds.value_or(0))));
  } else if (event.step == "refused" || event.step == "cancelled") {
    end_drill(*drill, DrillState::refused, event.reason.empty() ? event.step + " by the host" : event.reason);
  } else if (event.step == "failed") {
    end_drill(*drill, DrillState::failed, event.reason.empty() ? "the host gives no reason" : event.reason);
  }
}

/// What time brings about: it is asked for again, and given up.
void Fold::State::watch_drills() {
  for (Drill& drill : drills) {
    if (!drill.running()) continue;
    if (!drill.answered() && now_us - drill.view.asked_us >= Drill::kAnswerUs) {
      take_back(order_for(drill), 0);  // must not happen when nobody expects it any more
      end_drill(drill, DrillState::failed, fmt::format("{} did not answer within a minute", drill.view.host));
    } else if (!drill.answered() && now_us >= drill.next_issue_us) {
      command_drill(drill);
    } else if (drill.answered() && now_us - drill.view.started_us >= Drill::kLongestUs) {
      end_drill(drill, DrillState::failed,
                fmt::format("no end was heard of within 15 min, the last was `{}`", drill.view.step));
    }
  }
}

void Fold::State::end_drill(Drill& drill, DrillState state, const std::string& text) {
  DrillView& view = drill.view;
  view.state = state;
  view.ended_us = now_us;
  view.text = text;
  if (view.timeline.empty() || view.timeline.back().kind != view.step || state == DrillState::refused) {
    view.timeline.push_back({now_us, std::string(name(state)), view.host, text});
  }
  const DecisionKind kind = state == DrillState::drilled   ? DecisionKind::drilled
                            : state == DrillState::refused ? DecisionKind::drill_refused
                                                           : DecisionKind::drill_failed;
  emit(entry_of(drill, kind, now_us, last_sequence));
  if (state == DrillState::refused) return;  // who asked is told by the answer; nothing has changed
  const std::string where = fmt::format("{} on {}", view.service, view.host);
  Notification note;
  note.kind = state == DrillState::drilled ? "drilled" : "drill_failed";
  note.effect_id = fmt::format("{}/notify-{}//0", view.id, note.kind);
  note.service = view.service;
  note.version = view.version;
  note.previous = view.target;
  note.hosts = {view.host};
  note.at_us = now_us;
  note.reason = {.kind = ReasonKind::act, .metric = {}, .host = view.host, .text = text};
  note.text = state == DrillState::drilled
                  ? fmt::format("{}: a rollback was rehearsed {}", where, text)
                  : fmt::format("{}: the drill from {} to {} failed: {}; look which version runs there", where,
                                view.version, view.target, text);
  effects.emplace_back(std::move(note));
}

void Fold::State::forget_old_drills() {
  while (drills.size() > Drill::kMost) {
    const auto ended = std::ranges::find_if(drills, [](const Drill& drill) { return !drill.running(); });
    if (ended == drills.end()) return;
    drills.erase(ended);
  }
}

/// The audit remembers drills longer than the stream does.
void Fold::State::remember_drill(const Decision& fact) {
  if (std::ranges::any_of(drills, [&](const Drill& known) { return known.view.id == fact.deploy; })) return;
  if (fact.hosts.size() != 1) return;
  Drill drill;
  DrillView& view = drill.view;
  view.id = fact.deploy;
  view.service = fact.service;
  view.host = fact.hosts.front();
  view.version = fact.version;
  view.target = fact.previous;
  view.actor = fact.actor;
  view.text = fact.reason.text;
  view.asked_us = view.ended_us = fact.at_us;
  view.state = fact.kind == DecisionKind::drilled        ? DrillState::drilled
               : fact.kind == DecisionKind::drill_failed ? DrillState::failed
                                                         : DrillState::refused;
  drills.push_back(std::move(drill));
  forget_old_drills();
}

std::vector<DrillView> Fold::drills() const {
  std::vector<DrillView> views;
  for (auto it = state_->drills.rbegin(); it != state_->drills.rend(); ++it) views.push_back(it->view);
  return views;
}

std::optional<DrillView> Fold::drill(std::string_view id) const {
  for (const Drill& each : state_->drills) {
    if (each.view.id == id) return each.view;
  }
  return std::nullopt;
}

}  // namespace serin::core
