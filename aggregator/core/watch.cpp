#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

namespace serin::core {
namespace {

constexpr int64_t kBaselineGoneUs = 30'000'000;  ///< one late sample at the window's end is no missing baseline
constexpr size_t kWholeDeploys = 20;             ///< ended deploys that keep their evidence for people to look at

}  // namespace

size_t stage_hosts(const Policy& policy, size_t stage, size_t fleet) {
  if (stage >= policy.stages.size()) return fleet;
  const auto parsed = stage_from(policy.stages[stage]);
  return parsed ? parsed->of(fleet) : 1;  // a policy is checked when it is read; the smallest stage is the safe one
}

Deploy* Fold::State::open_deploy(std::string_view service, std::string_view version) {
  for (auto& deploy : deploys) {
    // One whose hosts are back already is over for newcomers: the same version again is the next attempt.
    if (deploy->open() && deploy->state != DeployState::rolled_back && deploy->service == service &&
        deploy->version == version) {
      return deploy.get();
    }
  }
  return nullptr;
}

Deploy* Fold::State::deploy_by_id(std::string_view id) {
  for (auto& deploy : deploys) {
    if (deploy->id == id) return deploy.get();
  }
  return nullptr;
}

void Fold::State::settle(Service& service, const std::string& version, const std::string& why) {
  service.versions[version].settled = true;
  Decision decision;
  decision.effect_id = fmt::format("{}|{}/settled//0", service.name, version);
  decision.kind = DecisionKind::settled;
  decision.service = service.name;
  decision.version = version;
  decision.at_us = now_us;
  decision.input_sequence = last_sequence;
  decision.reason.text = why;
  emit(std::move(decision));
}

Deploy& Fold::State::open(Service& service, Track& first, const Event& event, int64_t at_us) {
  const Policy& policy = policies.of(service.name);
  auto fresh = std::make_unique<Deploy>();
  int64_t opened_ms = now_us / 1000;
  while (deploy_by_id(deploy_id(service.name, opened_ms)) != nullptr) ++opened_ms;
  VersionRecord& record = service.versions[event.version];
  fresh->id = deploy_id(service.name, opened_ms);
  fresh->service = service.name;
  fresh->version = event.version;
  fresh->previous = !event.previous.empty() ? event.previous : first.previous;
  fresh->attempt = ++record.attempts;
  fresh->stage = record.settled ? record.stage_passed : 0;
  fresh->opened_us = now_us;
  fresh->same_name = event.same_name;
  fresh->irreversible = record.irreversible;
  fresh->first_second = at_us / kSecondUs;
  deploys.push_back(std::move(fresh));
  Deploy& deploy = *deploys.back();
  forget_old_deploys();

  if (!service.watching) {
    service.watching = true;
    service.next_second = std::max(deploy.first_second, service.steps.closed() + 1);
  }
  const bool returned = service.condemned(deploy.version, now_us);
  // At a later stage the hosts that already run the version are judged with the new ones.
  for (auto& track : service.tracks) {
    if (deploy.same_name || track.get() == &first || track->gone || track->version != deploy.version) continue;
    join(service, deploy, *track, track->previous, now_us);
  }
  join(service, deploy, first, deploy.previous, at_us);
  choose_baseline(service, deploy);
  make_battery(service, deploy);
  deploy.note(at_us, "detected", first.host,
              fmt::format("{} {} started on {}, after {}", service.name, deploy.version, first.host,
                          deploy.previous.empty() ? "nothing" : deploy.previous));
  if (const auto& left_out = service.counters.left_out(); !left_out.empty()) {
    deploy.note(at_us, "note", "",
                fmt::format("counters that are not judged, as there are more than {} or another metric has their "
                            "name: {}; name those that matter in the policy",
                            CounterBook::kMost, fmt::join(left_out, ", ")));
  }
  Decision decision = decision_of(deploy, DecisionKind::opened);
  decision.reason.text = deploy.timeline.back().text;
  emit(std::move(decision));
  effects.emplace_back(AttentionOrder{
      service.name, 1000,
      static_cast<uint32_t>(std::clamp(policy.watch_window_seconds + 60, 60.0, 900.0))});
  tell("opened", deploy, fmt::format("{} {} is being watched on {}", service.name, deploy.version, first.host));
  if (returned) {
    const std::string text = fmt::format(
        "{} {} is back on {}: this version was rolled back before (attempt {}); its gate stays shut",
        service.name, deploy.version, first.host, deploy.attempt);
    deploy.note(now_us, "note", first.host, text);
    Decision back = decision_of(deploy, DecisionKind::returned);
    back.reason.text = text;
    emit(std::move(back));
    tell("condemned_returned", deploy, text);
  }
  return deploy;
}

void Fold::State::join(Service& service, Deploy& deploy, Track& track, const std::string& from,
                       int64_t at_us) {
  if (deploy.ended_us != 0) return;
  Canary* canary = deploy.find(track.index);
  if (canary == nullptr) {
    deploy.canaries.push_back({});
    canary = &deploy.canaries.back();
    canary->host = track.index;
    canary->name = track.host;
    canary->from = from == deploy.version ? track.previous : from;
  } else if (!canary->left) {
    return;
  } else {
    // It had left and is back: whatever was commanded before is over, the version's own evidence decides again.
    Canary again;
    again.host = canary->host;
    again.name = canary->name;
    again.from = canary->from;
    again.ordinal = canary->command.empty() ? canary->ordinal : canary->ordinal + 1;
    *canary = std::move(again);
  }
  canary->joined_us = at_us;
  canary->facts_before = track.facts;
  ++service.facts_revision;
  deploy.last_join_us = std::max(deploy.last_join_us, now_us);
  if (deploy.battery) {
    deploy.battery->join(track.index,
                         static_cast<double>(at_us / kSecondUs - deploy.first_second));
    deploy.note(at_us, "joined", track.host, fmt::format("{} started here too", deploy.version));
  }
  if (deploy.acting()) plan_commands(service, deploy);
}

void Fold::State::leave(Service& service, Deploy& deploy, Track& track, const std::string& to) {
  Canary* canary = deploy.find(track.index);
  canary->left = true;
  canary->left_us = now_us;
  if (deploy.battery && deploy.verdict.empty()) deploy.battery->leave(track.index);
  canary->restored_by_us = !canary->command.empty() && to == canary->target;
  deploy.note(now_us, canary->restored_by_us ? "returned" : "left", track.host,
              fmt::format("runs {} now", to));
  if (deploy.acting()) {
    after_steps(service, deploy);
    return;
  }
  if (deploy.state == DeployState::rolled_back || deploy.present() > 0) return;
  const bool back = service.settled(to);
  Decision decision = decision_of(deploy, back ? DecisionKind::withdrawn : DecisionKind::superseded);
  decision.reason.text = fmt::format("its last host runs {} now", to);
  emit(decision);
  end(deploy, back ? DeployState::withdrawn : DeployState::superseded);
}

void Fold::State::choose_baseline(Service& service, Deploy& deploy) {
  deploy.baseline_versions.clear();
  size_t on_previous = 0;
  for (const auto& track : service.tracks) {
    if (deploy.find(track->index) == nullptr && !track->gone && track->version == deploy.previous) {
      ++on_previous;
    }
  }
  if (service.settled(deploy.previous) && (on_previous >= 4 || deploy.same_name)) {
    deploy.baseline_versions = {deploy.previous};
    return;
  }
  for (const auto& [version, record] : service.versions) {
    if (record.settled && (version != deploy.version || deploy.same_name)) {
      deploy.baseline_versions.push_back(version);
    }
  }
}

/// The window's end, or an early pass. The window runs from the last join, three windows at most in all.
void Fold::State::window(Service& service, Deploy& deploy) {
  if (deploy.state != DeployState::watching || !deploy.verdict.empty() || !deploy.battery) return;
  if (deploy.judged() == 0) return drift_window(service, deploy);
  const Policy& policy = policies.of(service.name);
  const auto length_us = static_cast<int64_t>(policy.watch_window_seconds * 1e6);
  const int64_t ends_us = std::min(deploy.last_join_us + length_us, deploy.opened_us + 3 * length_us);
  const int64_t judged_us = service.next_second * kSecondUs;
  const bool over = judged_us >= ends_us || now_us >= ends_us + kSilentUs;
  const int64_t early_after_us = deploy.last_join_us + 120 * kSecondUs;
  if (!over && (judged_us < early_after_us || !deploy.battery->pass_early().pass)) return;

  std::string why;
  for (const auto& canary : deploy.canaries) {
    const Track& track = *service.tracks[canary.host];
    if (!canary.left && now_us - track.last_heard_us > kSilentUs) {
      why = fmt::format("nothing heard from {}", canary.name);
    } else if (!canary.left && track.ambiguous) {
      why = fmt::format("which version runs on {} is not certain", canary.name);
    }
  }
  if (why.empty() && deploy.canary_requests == 0) {
    why = fmt::format("no traffic on {}", deploy.canaries.front().name);
  } else if (why.empty() && deploy.canary_requests < static_cast<uint64_t>(policy.min_requests_to_pass)) {
    why = fmt::format("only {} requests on the canary; {} are needed", deploy.canary_requests,
                      policy.min_requests_to_pass);
  } else if (why.empty() && now_us - deploy.baseline_seen_us > kBaselineGoneUs) {
    why = "no baseline left: fewer than two hosts on a settled version to compare with";
  }
  if (why.empty() && over) {
    if (auto answer = deploy.battery->pass_at_end(); !answer.pass) why = answer.why_not;
  }
  if (!why.empty() && !over) return;
  std::vector<MetricView> metrics;
  for (const auto& finding : deploy.battery->findings()) metrics.push_back(view_of(finding, deploy, service));
  const auto pool = std::ranges::find_if(metrics, &std::string::empty, &MetricView::host);
  Reason reason = pool == metrics.end() ? Reason{.kind = ReasonKind::evidence, .metric = {}} : reason_of(*pool);
  if (why.empty()) {
    reason.text = fmt::format("{} {} holds on {}: {} requests; {}; {}", service.name, deploy.version,
                              words_hosts(deploy.judged()), deploy.canary_requests,
                              pool == metrics.end() ? "nothing to compare" : words_compared(*pool), words_seen(metrics));
    conclude(service, deploy, DecisionKind::pass, DeployState::passed, std::move(reason));
  } else {
    reason.text = fmt::format("{} {} is inconclusive: {}", service.name, deploy.version, why);
    if (deploy.canary_requests > 0) reason.text += "; " + words_seen(metrics);
    conclude(service, deploy, DecisionKind::inconclusive, DeployState::inconclusive, std::move(reason));
  }
}

/// A verdict other than rollback. Where the audit holds another one for this deploy, that one comes at its time.
void Fold::State::conclude(Service& service, Deploy& deploy, DecisionKind kind, DeployState state,
                           Reason reason) {
  if (contradicts_audit(deploy, kind)) return;
  deploy.reason = std::move(reason);
  deploy.decided_us = now_us;
  deploy.verdict = kind == DecisionKind::pass ? "pass" : "inconclusive";
  deploy.note(now_us, "decided", "", deploy.reason.text);
  emit(decision_of(deploy, kind));
  tell(kind == DecisionKind::pass ? "passed" : "inconclusive", deploy, deploy.reason.text);
  if (kind == DecisionKind::pass) {
    VersionRecord& record = service.versions[deploy.version];
    record.settled = true;
    record.condemned_us = 0;
    record.stage_passed = std::max(record.stage_passed, deploy.stage + 1);
  }
  end(deploy, state);
  if (kind == DecisionKind::pass) begin_soak(service, deploy);
}

void Fold::State::end(Deploy& deploy, DeployState state) {
  deploy.state = state;
  deploy.ended_us = now_us;
  deploy.close_evidence();
}

/// The audit holds verdicts of this deploy, and none of this kind whose time has come.
bool Fold::State::contradicts_audit(const Deploy& deploy, DecisionKind kind) const {
  const auto facts_of = fact_verdicts.find(deploy.id);
  if (facts_of == fact_verdicts.end()) return false;
  return std::ranges::none_of(facts_of->second, [&](const Decision& fact) {
    return fact.kind == kind && fact.at_us <= now_us;
  });
}

/// What the audit says was decided is decided, even where this fold would not have come to it.
void Fold::State::apply_fact(Service& service, Deploy& deploy) {
  if (!deploy.verdict.empty()) return;
  auto facts_of = fact_verdicts.find(deploy.id);
  if (facts_of == fact_verdicts.end() || facts_of->second.front().at_us > now_us) return;
  const Decision& recorded = facts_of->second.front();
  if (recorded.kind == DecisionKind::rollback) {
    decide_rollback(service, deploy, recorded.reason, recorded.actor);
  } else {
    const bool pass = recorded.kind == DecisionKind::pass;
    deploy.actor = recorded.actor;
    conclude(service, deploy, recorded.kind, pass ? DeployState::passed : DeployState::inconclusive,
             recorded.reason);
  }
}

void Fold::State::forget_old_deploys() {
  size_t ended_seen = 0;
  for (auto it = deploys.rbegin(); it != deploys.rend(); ++it) {
    if ((*it)->open() || ++ended_seen <= kWholeDeploys) continue;
    (*it)->last_findings.clear();
    (*it)->series.clear();
  }
  while (deploys.size() > kMaxDeploys) {
    auto ended = std::ranges::find_if(deploys, [](const auto& d) { return !d->open(); });
    if (ended == deploys.end()) return;
    deploys.erase(ended);
  }
}

}  // namespace serin::core
