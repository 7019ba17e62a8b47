#include <fmt/format.h>

#include <algorithm>

#include "aggregator/core/state.h"

namespace serin::core {

Track* Fold::State::track_of(const std::string& host, const std::string& service_name) {
  if (auto known = services.find(service_name); known != services.end()) {
    if (auto it = known->second.by_host.find(host); it != known->second.by_host.end()) {
      return known->second.tracks[it->second].get();
    }
  }
  size_t tracks = 0;
  for (const auto& [name, each] : services) tracks += each.tracks.size();
  if (tracks >= kMaxTracks) return nullptr;
  Service& service = services[service_name];
  if (service.tracks.empty()) {
    service.name = service_name;
    service.first_seen_us = now_us;
  }
  auto track = std::make_unique<Track>();
  track->host = host;
  track->service = service_name;
  track->index = static_cast<uint32_t>(service.tracks.size());
  service.by_host[host] = track->index;
  service.tracks.push_back(std::move(track));
  return service.tracks.back().get();
}

/// Repeats, impossible ages and two hosts with one id end here. `end_us` is when the content ended, never after it was
/// stored and never before what the same host said last.
bool Fold::State::admit(const Identity& from, const std::string& service, int64_t age_us,
                        int64_t wall_us, int64_t stored_us, Track*& track, int64_t& end_us) {
  track = track_of(from.host, service);
  if (track == nullptr || age_us < 0 || age_us > kMaxAgeUs) {
    ++counters.refused;
    if (track != nullptr) ++track->refused;
    return false;
  }
  end_us = stored_us - age_us;
  HostBook& book = books[from.host];
  const bool was_conflict = book.in_conflict(now_us);
  switch (book.hear(from, service, end_us, now_us)) {
    case HostBook::Heard::repeat:
      ++counters.repeats;
      ++track->repeats;
      return false;
    case HostBook::Heard::conflict:
      if (!was_conflict) {
        Notification note;
        note.effect_id = fmt::format("host-conflict/{}/{}", from.host, book.newest());
        note.kind = "host_conflict";
        note.service = service;
        note.hosts = {from.host};
        note.at_us = now_us;
        note.text = fmt::format(
            "two agents speak as host {}: neither is judged nor commanded; give one of them another [host] id",
            from.host);
        effects.emplace_back(std::move(note));
      }
      return false;
    case HostBook::Heard::fresh: break;
  }
  track->last_heard_us = now_us;
  // What was under way before the farewell does not take it back.
  if (from.agent_start_us != track->farewell_start_us || from.sequence == 0 ||
      from.sequence > track->farewell_sequence) {
    track->gone = false;
  }
  if (wall_us != 0) track->wall_offset_us = wall_us - end_us;
  return true;
}

void Fold::State::take(const Sample& sample, int64_t stored_us) {
  Track* track = nullptr;
  int64_t end_us = 0;
  if (!admit(sample.from, sample.service, sample.age_us, sample.wall_us, stored_us, track, end_us)) {
    return;
  }
  if (sample.self) track->self = sample.self;
  if (sample.service == "_host" || sample.history) return;
  ++track->samples;
  // One that fills a gap keeps its own time; one that follows the last cannot end before it.
  const bool follows = sample.from.agent_start_us != track->last_agent_start_us ||
                       sample.from.sequence > track->last_sequence || sample.from.sequence == 0;
  if (follows) {
    if (track->last_end_us != INT64_MIN && end_us < track->last_end_us && track->last_end_us <= stored_us) {
      if (track->last_end_us - end_us > kSkewUs) {
        ++track->skewed;
        ++counters.skewed;
      }
      end_us = track->last_end_us;
    }
    track->last_end_us = end_us;
    track->last_sequence = sample.from.sequence;
    if (track->last_agent_start_us != sample.from.agent_start_us) track->fell = false;
    track->last_agent_start_us = sample.from.agent_start_us;
  }
  // Something runs again, whatever its name is.
  if (sample.phase != Phase::down && track->phase == Phase::down) {
    track->phase = sample.phase;
    track->phase_since_us = end_us;
    track->fell = false;
    track->ambiguous = track->ambiguous || sample.version.empty();
  }
  track->interval_us = sample.interval_us;
  track->selected = sample.selected;
  track->absent = sample.absent;
  Service& service = services[sample.service];
  const bool known = sample.phase == Phase::down || sample.phase == Phase::unattributed ||
                     (sample.generation == track->generation && sample.version == track->version);
  if (known || (sample.version.empty() && sample.generation.empty())) {
    release_waiting(service, *track);
    use(service, *track, sample, end_us);
    return;
  }
  // Another generation than the one announced: its version_started may still be on its way.
  track->waiting.push_back({sample, now_us, end_us});
  const bool first_sight = track->version.empty() && sample.generation.empty();
  if (first_sight || track->waiting.size() >= Track::kMaxWaiting ||
      now_us - track->waiting.front().stored_us >= kAnnounceUs) {
    // It was lost, or began before the stream does: what runs is what the samples say.
    if (!first_sight && !track->version.empty()) ++counters.unknown_version;
    Event announced;
    announced.from = sample.from;
    announced.service = sample.service;
    announced.version = sample.version;
    announced.generation = sample.generation;
    announced.previous = track->version;
    announced.ambiguous = sample.ambiguous;
    started(service, *track, announced, track->waiting.front().end_us - sample.interval_us);
    release_waiting(service, *track);
  }
}

void Fold::State::release_waiting(Service& service, Track& track) {
  auto waiting = std::move(track.waiting);
  track.waiting.clear();
  for (const auto& [sample, stored_us, end_us] : waiting) {
    if (sample.generation == track.generation) use(service, track, sample, end_us);
  }
}

void Fold::State::use(Service& service, Track& track, const Sample& sample, int64_t end_us) {
  // Requests of a generation that is gone, or of none: they hurt somebody, and say nothing about a version.
  if (sample.phase == Phase::down || sample.phase == Phase::unattributed) {
    if (sample.requests) count_harm(service, track, sample.requests->errors);
  }
  if (sample.phase == Phase::unattributed) return;
  if (sample.phase != track.phase) {
    track.fell = sample.phase == Phase::down;
    track.phase = sample.phase;
    track.phase_since_us = end_us;
  }
  if (sample.phase == Phase::down) return;
  track.ambiguous = sample.ambiguous;
  const int64_t begin_us = end_us - static_cast<int64_t>(sample.interval_us);
  double age_seconds = 1e6;
  if (sample.process_age_us) {
    age_seconds = static_cast<double>(*sample.process_age_us) / 1e6;
  } else if (track.generation_since_us != 0) {
    age_seconds =
        static_cast<double>(std::max<int64_t>(begin_us - track.generation_since_us, 0)) / 1e6;
  }
  const bool judged =
      sample.phase == Phase::serving && !sample.ambiguous && !books[track.host].in_conflict(now_us);
  if (judged && !sample.version.empty()) {
    const auto& asked_for = policies.of(service.name).business;
    for (const NamedValue& counter : sample.counters) {
      service.counters.admit(counter.name, asked_for.contains(counter.name));
    }
    track.history.add(end_us - static_cast<int64_t>(sample.interval_us) / 2, sample,
                      service.counters);
  }
  if (service.learner.following()) {
    if (judged) service.learner.see(track.index, sample, end_us, age_seconds);
    learn_warmups(service);
  }
  track.last_step = std::max(track.last_step, step_of(end_us, sample.interval_us));
  if (!service.steps.add(sample, track.index, end_us, age_seconds, judged)) {
    ++track.late;
    ++counters.late;
  }
  if (!service.watching) service.steps.close(now_us / kSecondUs - 10);
}

void Fold::State::count_harm(const Service& service, const Track& track, uint64_t errors) {
  for (auto& deploy : deploys) {
    if (deploy->service != service.name || !deploy->open()) continue;
    const Canary* canary = deploy->find(track.index);
    if (canary != nullptr && !canary->left && canary->restored_us == 0) deploy->requests_harmed += errors;
  }
}

void Fold::State::take(const Event& event, int64_t stored_us) {
  Track* track = nullptr;
  int64_t at_us = 0;
  if (!admit(event.from, event.service, event.age_us, event.wall_us, stored_us, track, at_us)) return;
  if (event.service == "_host") {
    if (event.kind != EventKind::final_) return;
    for (auto& [name, service] : services) {
      if (auto it = service.by_host.find(event.from.host); it != service.by_host.end()) {
        service.tracks[it->second]->gone = true;
      }
    }
    return;
  }
  Service& service = services[event.service];
  switch (event.kind) {
    case EventKind::version_started:
    case EventKind::process_started: started(service, *track, event, at_us); break;
    case EventKind::process_died: died(service, *track, event, at_us); break;
    case EventKind::final_:
      track->gone = true;
      track->farewell_start_us = event.from.agent_start_us;
      track->farewell_sequence = event.from.sequence;
      break;
    case EventKind::rollback_step:
      step_reported(service, *track, event, at_us);
      cancel_answered(*track, event);
      break;
    case EventKind::drill_step:
      drill_step(*track, event, at_us);
      cancel_answered(*track, event);
      break;
    case EventKind::unit_failed:
    case EventKind::silent: guard_events(service, *track, event); break;
    case EventKind::facts: take_facts(service, *track, event, at_us); break;
  }
}

void Fold::State::started(Service& service, Track& track, const Event& event, int64_t at_us) {
  if (event.version.empty()) return;  // unknown until the agent knows better
  // One that was sent again after a newer one is history.
  const bool same_agent = event.from.agent_start_us == track.started_agent_us;
  if (same_agent && event.from.sequence != 0 && event.from.sequence < track.started_sequence) return;
  track.started_agent_us = event.from.agent_start_us;
  track.started_sequence = event.from.sequence;
  const bool same_version = event.version == track.version;
  if (same_version && event.generation == track.generation) return;  // an agent that came back repeats it
  const std::string from = !event.previous.empty() ? event.previous : track.version;
  const bool rehearses = event.cause == Cause::drill;
  if (!same_version && !track.version.empty() && !rehearses) track.previous = track.version;
  if (!same_version) track.version_since_us = at_us;
  const int64_t same_since_us = same_version ? track.generation_since_us : 0;
  track.version = event.version;
  if (event.generation != track.generation || !event.artefact.empty()) track.artefact = event.artefact;
  track.generation = event.generation;
  if (!same_version) ++service.facts_revision;
  track.generation_since_us = track.samples == 0 && event.previous.empty() ? 0 : at_us;
  track.ambiguous = event.ambiguous;
  track.phase = Phase::serving;
  track.phase_since_us = at_us;
  if (!from.empty() && !event.same_name && !rehearses) follow_restart(service, track, same_since_us);
  release_waiting(service, track);
  if (rehearses) return;  // it opens, joins and leaves nothing

  bool ends_a_watch = false;

  for (auto& deploy : deploys) {
    if (deploy->service != service.name || !deploy->open()) continue;
    Canary* canary = deploy->find(track.index);
    if (canary == nullptr || canary->left) continue;
    if (event.version != deploy->version) {
      if (event.cause == Cause::dead_man) leave_by_itself(service, *deploy, track, event.version, at_us);
      else leave(service, *deploy, track, event.version);
      ends_a_watch = true;
    } else if (!same_version || event.kind == EventKind::process_started) {
      deploy->note(at_us, "process_started", track.host,
                   fmt::format("{} started again", event.version));
    }
  }
  if (event.cause == Cause::dead_man && !same_version && !ends_a_watch) tell_dead_man(service, track, from, at_us);
  if (event.cause != Cause::external || (same_version && !event.same_name)) return;
  const bool first_look = from.empty() && !service.remembered &&
                          now_us - service.first_seen_us <= kFirstSeenUs;
  if (first_look && !service.settled(event.version)) {
    settle(service, event.version, "it ran when the service was first seen");
  }
  if (Deploy* deploy = open_deploy(service.name, event.version)) {
    join(service, *deploy, track, from, at_us);
    return;
  }
  if (from.empty() && service.settled(event.version)) return;
  if (service.settled(event.version) && !event.same_name) {
    const VersionRecord& record = service.versions[event.version];
    const auto on_it = std::ranges::count_if(
        service.tracks, [&](const auto& t) { return t->version == event.version && !t->gone; });
    const bool next_stage = record.stage_passed > 0 &&
                            static_cast<size_t>(on_it) > stage_hosts(policies.of(service.name), record.stage_passed - 1, service.present_hosts());
    if (!next_stage || from == event.version || from.empty()) return;
  }
  open(service, track, event, at_us);
}

void Fold::State::died(Service& service, Track& track, const Event& event, int64_t at_us) {
  track.phase = Phase::down;
  track.phase_since_us = at_us;
  track.fell = !event.expected;
  service.learner.forget(track.index);
  if (event.expected || drilling(service.name, track.host)) return;
  if (tells_of_oom(event)) track.oom_us = at_us;
  track.deaths.push_back({at_us, event.version.empty() ? track.version : event.version});
  if (track.deaths.size() > Track::kMaxDeaths) track.deaths.pop_front();
  if (!track.deaths.back().version.empty()) track.history.add_end(at_us, track.deaths.back().version);
  guard_events(service, track, event);
}

void Fold::State::take_facts(Service& service, Track& track, const Event& event, int64_t at_us) {
  if (tells_of_oom(event)) {
    track.oom_us = at_us;
    guard_events(service, track, event);
    return;
  }
  const uint64_t refused = track.facts.refused();
  if (track.facts.take(event, fact_texts)) ++service.facts_revision;
  counters.facts_refused += track.facts.refused() - refused;
}

void Fold::State::take(const Control& control) {
  switch (control.kind) {
    case ControlKind::clock: break;
    case ControlKind::policy:
      if (auto parsed = policy_from_json(control.policy_json)) policies = std::move(*parsed);
      break;
    case ControlKind::declare: declare(control); break;
    case ControlKind::act: take_act(control); break;
    case ControlKind::warmup: {
      Service& service = services[control.service];
      service.name = control.service;
      take_warmup(service, control.warmup_json);
      break;
    }
  }
}

/// Whether a version can be undone: a person's word, kept in the audit as it must outlive the stream.
void Fold::State::declare(const Control& control) {
  Service& service = services[control.service];
  service.name = control.service;
  service.versions[control.version].irreversible = control.irreversible;
  Decision decision;
  decision.effect_id = fmt::format("{}|{}/declared//{}", control.service, control.version, control.id);
  decision.kind = DecisionKind::declared;
  decision.service = control.service;
  decision.version = control.version;
  decision.at_us = now_us;
  decision.input_sequence = last_sequence;
  decision.actor = control.actor;
  decision.irreversible = control.irreversible;
  decision.reason = {.kind = ReasonKind::act,
                     .metric = {},
                     .text = fmt::format("{}{}{}", control.irreversible ? "irreversible: never put back by itself" : "can be put back",
                                         control.reason.empty() ? "" : ": ", control.reason)};
  if (Deploy* deploy = open_deploy(control.service, control.version)) {
    deploy->irreversible = control.irreversible;
    deploy->note(now_us, "act", "", fmt::format("declared by {}: {}", control.actor, decision.reason.text));
  }
  emit(std::move(decision));
}

void Fold::State::take_act(const Control& control) {
  if (control.act == Act::drill) return ask_drill(control);
  if (control.act == Act::absolve) {
    Service& service = services[control.service];
    service.name = control.service;
    service.versions[control.version].condemned_us = 0;
    if (Deploy* deploy = open_deploy(control.service, control.version); deploy != nullptr && deploy->acting()) {
      deploy->held = true;  // what has begun goes on; nothing more is begun without a `release`
      take_back(service, *deploy, "absolved by " + control.actor);
    }
    Decision decision;
    decision.effect_id = fmt::format("{}|{}/absolved//{}", control.service, control.version, control.id);
    decision.kind = DecisionKind::absolved;
    decision.service = control.service;
    decision.version = control.version;
    decision.at_us = now_us;
    decision.input_sequence = last_sequence;
    decision.actor = control.actor;
    emit(std::move(decision));
    return;
  }
  Deploy* deploy = deploy_by_id(control.deploy);
  if (deploy == nullptr) return;
  Service& service = services[deploy->service];
  deploy->note(now_us, "act", control.host,
               fmt::format("{} by {}{}{}", name(control.act), control.actor,
                           control.reason.empty() ? "" : ": ", control.reason));
  Reason reason{.kind = ReasonKind::act, .metric = {}, .text = control.reason};
  switch (control.act) {
    case Act::rollback:
      if (!control.host.empty()) {
        put_back_one(service, *deploy, control.host);
        break;
      }
      reason.text = fmt::format("asked for by {}{}{}", control.actor,
                                control.reason.empty() ? "" : ": ", control.reason);
      decide_rollback(service, *deploy, std::move(reason), control.actor);
      break;
    case Act::pass:
      // What ended without a verdict may still be passed by hand, and a verdict that has reached no host overruled.
      if (deploy->verdict != "inconclusive" &&
          !(deploy->open() && (deploy->verdict.empty() || deploy->nothing_changed()))) {
        break;
      }
      take_back(service, *deploy, "passed by " + control.actor);
      deploy->verdict.clear();
      deploy->actor = control.actor;
      reason.text = fmt::format("passed by {}", control.actor);
      conclude(service, *deploy, DecisionKind::pass, DeployState::passed, std::move(reason));
      break;
    case Act::hold:
      if (!deploy->open() || deploy->held) break;
      deploy->held = true;
      if (deploy->state == DeployState::watching) deploy->state = DeployState::held;
      take_back(service, *deploy, "held by " + control.actor);
      emit(decision_of(*deploy, DecisionKind::held, control.id));
      break;
    case Act::release:
      if (!deploy->open() || !deploy->held) break;
      deploy->held = false;
      if (deploy->state == DeployState::held) deploy->state = DeployState::watching;
      command_again(*deploy);
      emit(decision_of(*deploy, DecisionKind::released, control.id));
      break;
    case Act::absolve:
    case Act::drill: break;
  }
}

}  // namespace serin::core
