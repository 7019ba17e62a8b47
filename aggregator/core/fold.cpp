#include "aggregator/core/fold.h"

#include <fmt/format.h>

#include <algorithm>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

namespace serin::core {
namespace {

/// Whoever reads these looks for the cause.
bool is_verdict_against(std::string_view notification) {
  return notification == "rollback" || notification == "inconclusive" ||
         notification == "not_the_cause";
}

}  // namespace

bool Service::settled(std::string_view version) const {
  auto it = versions.find(version);
  return it != versions.end() && it->second.settled;
}

bool Service::condemned(std::string_view version, int64_t now_us) const {
  auto it = versions.find(version);
  return it != versions.end() && it->second.condemned_us != 0 &&
         now_us - it->second.condemned_us < Fold::State::kCondemnedUs;
}

const Track* Service::find(std::string_view host) const {
  const auto known = by_host.find(host);
  return known == by_host.end() ? nullptr : tracks[known->second].get();
}

size_t Service::present_hosts() const {
  return static_cast<size_t>(std::ranges::count_if(tracks, [](const auto& t) { return !t->gone; }));
}

Fold::Fold(PolicySet initial, double inflation)
    : state_(std::make_unique<State>(std::move(initial))) {
  state_->inflation = inflation;
}
Fold::~Fold() = default;
Fold::Fold(Fold&&) noexcept = default;

void Fold::adopt(const Decision& recorded) {
  state_->facts[recorded.effect_id] = recorded;
  state_->facts_to_come.emplace(recorded.at_us, recorded);
  switch (recorded.kind) {
    case DecisionKind::rollback:
    case DecisionKind::pass:
    case DecisionKind::inconclusive: state_->fact_verdicts[recorded.deploy].push_back(recorded); break;
    default: break;
  }
}

std::vector<Effect> Fold::step(const Input& input) {
  State& s = *state_;
  s.effects.clear();
  if (input.seq != 0) s.last_sequence = input.seq;
  s.advance(input.stored_us);
  if (const auto* sample = std::get_if<Sample>(&input.body)) {
    ++s.counters.samples;
    s.take(*sample, input.stored_us);
  } else if (const auto* event = std::get_if<Event>(&input.body)) {
    ++s.counters.events;
    s.take(*event, input.stored_us);
  } else {
    ++s.counters.controls;
    s.take(std::get<Control>(input.body));
  }
  s.every_service();
  return std::move(s.effects);
}

void Fold::State::advance(int64_t stored_us) {
  if (now_us != 0 && stored_us - now_us > kBusGapUs) {
    gap_from_us = now_us;
    gap_to_us = stored_us;
  }
  now_us = std::max(now_us, stored_us);
  // What the audit holds becomes true at its time, so that a replay sees each input with what was known then.
  while (!facts_to_come.empty() && facts_to_come.begin()->first < now_us) {
    remember(facts_to_come.begin()->second);
    facts_to_come.erase(facts_to_come.begin());
  }
}

void Fold::State::remember(const Decision& fact) {
  if (fact.kind == DecisionKind::trust && !fact.service.empty()) {
    Service& service = services[fact.service];
    service.name = fact.service;
    apply_trust(service, {.metric = fact.reason.metric,
                          .widening = fact.widening,
                          .advisory = fact.advisory,
                          .at_seconds = fact.at_us / kSecondUs,
                          .why = fact.reason.text});
    return;
  }
  if (fact.kind == DecisionKind::drilled || fact.kind == DecisionKind::drill_failed ||
      fact.kind == DecisionKind::drill_refused) {
    return remember_drill(fact);
  }
  if (fact.service.empty() || fact.version.empty()) return;
  Service& service = services[fact.service];
  service.name = fact.service;
  VersionRecord& version = service.versions[fact.version];
  switch (fact.kind) {
    case DecisionKind::opened: version.attempts = std::max(version.attempts, fact.attempt); break;
    case DecisionKind::settled:
      version.settled = true;
      // Said within what is being read again, it is this very first look.
      if (service.tracks.empty() || fact.at_us < service.first_seen_us) service.remembered = true;
      break;
    case DecisionKind::rollback:
      version.condemned_us = fact.at_us;
      version.settled = false;
      break;
    case DecisionKind::pass:
      version.settled = true;
      version.condemned_us = 0;
      version.stage_passed = std::max<size_t>(version.stage_passed, fact.stage + 1);
      service.remembered = true;
      break;
    case DecisionKind::absolved: version.condemned_us = 0; break;
    case DecisionKind::declared: version.irreversible = fact.irreversible; break;
    case DecisionKind::warmup: take_warmup(service, fact.warmup_json); break;
    default: break;
  }
}

bool Fold::State::any_open(std::string_view service) const {
  return std::ranges::any_of(deploys, [&](const auto& d) { return d->service == service && d->open(); });
}

/// What time alone brings about.
void Fold::State::every_service() {
  watch_commands();
  for (auto& [name, service] : services) {
    run_placebos(service);
    if (service.soak) soak(service);
    if (!service.watching) continue;
    close_seconds(service);
    if (now_us - service.last_time_check_us < kSecondUs / 4) continue;
    service.last_time_check_us = now_us;
    guard_time(service);
    for (size_t i = 0; i < deploys.size(); ++i) {
      Deploy& deploy = *deploys[i];
      if (deploy.service != name || !deploy.open()) continue;
      apply_fact(service, deploy);
      window(service, deploy);
      if (deploy.acting()) {
        plan_commands(service, deploy);
        after_steps(service, deploy);
      }
    }
    service.watching = any_open(name);
    service.slow_steps = service.slow_steps && service.watching;
  }
}

/// Commands that are no rollback's.
void Fold::State::watch_commands() {
  if (now_us - last_command_check_us < kSecondUs / 2) return;
  last_command_check_us = now_us;
  watch_drills();
  watch_cancels();
  for (auto& [name, service] : services) confirm_versions(service);
}

Decision Fold::State::decision_of(const Deploy& deploy, DecisionKind kind,
                                  const std::string& host) const {
  Decision decision;
  decision.kind = kind;
  decision.deploy = deploy.id;
  decision.service = deploy.service;
  decision.version = deploy.version;
  decision.previous = deploy.previous;
  decision.attempt = deploy.attempt;
  decision.at_us = now_us;
  decision.input_sequence = last_sequence;
  decision.reason = deploy.reason;
  decision.actor = deploy.actor;
  decision.incomplete = deploy.incomplete;
  decision.stage = static_cast<uint32_t>(deploy.stage);
  decision.hosts = deploy.host_names();
  decision.effect_id = fmt::format("{}/{}/{}/{}", deploy.id, name(kind), host, 0);
  return decision;
}

void Fold::State::emit(Decision decision) {
  // A decision that the audit holds is a fact: it goes out as it was recorded, and the shell knows it by its id.
  if (auto fact = facts.find(decision.effect_id); fact != facts.end()) decision = fact->second;
  effects.emplace_back(std::move(decision));
}

void Fold::State::tell(std::string kind, const Deploy& deploy, std::string text, const std::string& about) {
  Notification note;
  note.effect_id = fmt::format("{}/notify-{}/{}/0", deploy.id, kind, about);
  note.kind = std::move(kind);
  note.deploy = deploy.id;
  note.service = deploy.service;
  note.version = deploy.version;
  note.previous = deploy.previous;
  note.hosts = deploy.host_names();
  note.at_us = now_us;
  note.reason = deploy.reason;
  note.text = std::move(text);
  if (is_verdict_against(note.kind) && deploy.reason.metric != "drift" && !deploy.drift.empty()) {
    note.text += fmt::format(" (what else differs: {})", words_drifts(deploy.drift));
  }
  effects.emplace_back(std::move(note));
}

std::vector<CommandOrder> Fold::pending_commands() const {
  std::vector<CommandOrder> orders;
  const State& s = *state_;
  for (const auto& deploy : s.deploys) {
    if (!deploy->open()) continue;
    const Service& service = s.services.at(deploy->service);
    for (const auto& canary : deploy->canaries) {
      if (canary.in_flight()) orders.push_back(s.order_for(service, *deploy, canary));
    }
  }
  for (const Drill& drill : s.drills) {
    if (drill.running() && !drill.answered()) orders.push_back(s.order_for(drill));
  }
  for (const auto& cancel : s.cancels) orders.push_back(cancel.order);
  return orders;
}

std::vector<AttentionOrder> Fold::attention() const {
  std::set<std::string> watched;
  for (const auto& deploy : state_->deploys) {
    // A deploy that waits for people (frozen, failed) needs no fast sampling for ever.
    const int64_t since_us = std::max(deploy->last_join_us, deploy->decided_us);
    if (deploy->open() && state_->now_us - since_us < State::kAttentionUs) watched.insert(deploy->service);
  }
  std::vector<AttentionOrder> orders;
  for (const auto& service : watched) orders.push_back({service, 1000, 600});
  return orders;
}

int64_t Fold::now_us() const { return state_->now_us; }
uint64_t Fold::last_sequence() const { return state_->last_sequence; }
const PolicySet& Fold::policies() const { return state_->policies; }

}  // namespace serin::core
