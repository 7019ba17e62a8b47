#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"
#include "schema/flag_reason.h"

namespace serin::core {
namespace {

/// The order in which a host reports; a step that is not further than the last one is a repeat.
int rank(std::string_view step) {
  constexpr std::array<std::string_view, 6> order = {"accepted",  "preflight", "switched",
                                                     "restarted", "healthy",   "verified"};
  const auto it = std::ranges::find(order, step);
  return it == order.end() ? -1 : static_cast<int>(it - order.begin());
}

constexpr double kRecoveryAlpha = 0.05;      ///< chance to call a host well that is not
constexpr int kQuietSeconds = 10;            ///< a guardrail's recovery: this long serving, nothing died
constexpr double kLeastStillBadRatio = 1.5;
constexpr double kTooFewRequests = 500;
constexpr double kLeastUsualRate = 0.0005;   ///< a fleet without errors is still compared with something

bool still_there(const Canary& canary) { return !canary.left; }

/// Passing refusals: the command was not executed and may be asked for again.
bool may_pass(std::string_view reason) {
  for (std::string_view word : {"busy", "held", "expired", "not_running", "ambiguous", "unreachable"}) {
    if (reason.starts_with(word)) return true;
  }
  return false;
}

}  // namespace

void Fold::State::decide_rollback(Service& service, Deploy& deploy, Reason reason,
                                  const std::string& actor) {
  const bool soaked = deploy.state == DeployState::passed;  // its audit holds the pass, and that stays true
  if (!deploy.open() && actor.empty() && !soaked) return;
  if (deploy.verdict == "rollback") {
    // A person says yes to what was only recommended, or frees what was frozen.
    if (!actor.empty() && deploy.open() && !deploy.acting() && deploy.state != DeployState::rolled_back) {
      deploy.actor = actor;
      begin_rollback(service, deploy);
    } else if (!actor.empty() && deploy.state == DeployState::rollback_failed) {
      deploy.actor = actor;
      try_again(service, deploy);
    }
    return;
  }
  if (actor.empty() && !soaked && contradicts_audit(deploy, DecisionKind::rollback)) return;
  if (deploy.held && actor.empty()) {
    if (deploy.held_told) return;
    deploy.held_told = true;
    const std::string text = fmt::format("{} {} would be rolled back ({}), but is held", service.name,
                                         deploy.version, reason.text);
    deploy.note(now_us, "note", reason.host, text);
    tell("held", deploy, text);
    return;
  }
  condemn(service, deploy, std::move(reason), actor);
  act_on_verdict(service, deploy);
}

/// The verdict, in words, audit and memory.
void Fold::State::condemn(Service& service, Deploy& deploy, Reason reason, const std::string& actor) {
  deploy.reason = std::move(reason);
  deploy.actor = actor;
  deploy.verdict = "rollback";
  deploy.decided_us = now_us;
  if (!deploy.open()) {  // a person, or a leak found late, puts back what had ended
    deploy.ended_us = 0;
    for (Canary& canary : deploy.canaries) {
      canary.left = service.tracks[canary.host]->version != deploy.version;
    }
    if (!service.watching) service.next_second = std::max(now_us / kSecondUs, service.steps.closed() + 1);
    service.watching = true;
  }
  VersionRecord& record = service.versions[deploy.version];
  if (!deploy.same_name) {
    record.settled = false;
    record.condemned_us = now_us;
  }
  deploy.note(now_us, "decided", deploy.reason.host, deploy.reason.text);
  emit(decision_of(deploy, DecisionKind::rollback));
}

/// Puts the hosts back, or asks people to.
void Fold::State::act_on_verdict(Service& service, Deploy& deploy) {
  const Policy& policy = policies.of(service.name);
  if (policy.mode != Policy::Mode::enforce && deploy.actor.empty()) {
    deploy.state = DeployState::frozen;
    const std::string text =
        policy.mode == Policy::Mode::recommend
            ? fmt::format("{} {} should be rolled back: {} (serinctl rollback {})", service.name,
                          deploy.version, deploy.reason.text, deploy.id)
            : fmt::format("{} {} would be rolled back: {} (mode observe)", service.name, deploy.version,
                          deploy.reason.text);
    tell("rollback", deploy, text);
    return;
  }
  begin_rollback(service, deploy);
}

void Fold::State::begin_rollback(Service& service, Deploy& deploy) {
  bool target_missing = false;
  for (Canary& canary : deploy.canaries) {
    if (canary.left) continue;
    canary.target = target_for(service, deploy, canary);
    target_missing = target_missing || canary.target.empty();
  }
  std::string stop;
  if (deploy.irreversible && deploy.actor.empty()) {
    stop = "it was declared irreversible";
  } else if (target_missing) {
    stop = "no settled version to go back to";
  } else if (deploy.actor.empty()) {
    const int limit = policies.of(service.name).max_automatic_rollbacks_per_hour;
    for (const Canary& canary : deploy.canaries) {
      if (!canary.left && too_often(service.name, canary.name, limit)) {
        stop = fmt::format("{} was rolled back {} times within the hour", canary.name, limit);
      }
    }
  }
  if (!stop.empty()) {
    freeze(service, deploy, stop);
    return;
  }
  deploy.state = DeployState::rolling_back;
  const std::string hosts = words_list(deploy.host_names(still_there));
  tell("rollback", deploy,
       fmt::format("{} {} is being rolled back on {} · {} · after {:.0f} s · {} requests hurt so far",
                   service.name, deploy.version, hosts.empty() ? "no host" : hosts, deploy.reason.text,
                   static_cast<double>(now_us - deploy.opened_us) / 1e6, deploy.requests_harmed));
  plan_commands(service, deploy);
  after_steps(service, deploy);
}

/// A person has mended what stood in the way, and asks once more.
void Fold::State::try_again(Service& service, Deploy& deploy) {
  for (Canary& canary : deploy.canaries) {
    if (!canary.failed || canary.left) continue;
    canary.failed = canary.failure_told = false;
    canary.step.clear();
    // What was refused was not begun; what was begun and failed its host carries out only by another id.
    canary.superseded = std::exchange(canary.command, {});
    canary.revision = 0;
    ++canary.ordinal;
  }
  deploy.state = DeployState::rolling_back;
  plan_commands(service, deploy);
}

/// Something forbids to act: watched on, and people must decide.
void Fold::State::freeze(Service& service, Deploy& deploy, const std::string& why) {
  deploy.state = DeployState::frozen;
  const std::string hosts = words_list(deploy.host_names(still_there));
  const std::string text = fmt::format("{} {} should be rolled back on {} ({}), but is frozen: {}", service.name,
                                       deploy.version, hosts, deploy.reason.text, why);
  deploy.note(now_us, "frozen", "", text);
  Decision decision = decision_of(deploy, DecisionKind::frozen);
  decision.reason.text = text;
  emit(std::move(decision));
  tell("frozen", deploy, text);
}

bool Fold::State::too_often(const std::string& service, const std::string& host, int limit) const {
  auto it = automatic_rollbacks.find(service + "|" + host);
  if (it == automatic_rollbacks.end()) return false;
  return std::ranges::count_if(it->second, [&](int64_t at) { return now_us - at < 3600 * kSecondUs; }) >= limit;
}

/// Its own previous version if that is known good; else the settled version most hosts run; else none.
std::string Fold::State::target_for(const Service& service, const Deploy& deploy,
                                    const Canary& canary) const {
  const auto good = [&](const std::string& version) {
    return !version.empty() && version != deploy.version && service.settled(version) &&
           !service.condemned(version, now_us);
  };
  if (good(canary.from)) return canary.from;
  std::map<std::string, size_t> running;
  for (const auto& track : service.tracks) {
    if (!track->gone && good(track->version)) ++running[track->version];
  }
  auto most = std::ranges::max_element(running, {}, [](const auto& pair) { return pair.second; });
  return most == running.end() ? std::string() : most->first;
}

/// A person wants one host off the version: commanded at once, and no verdict about the deploy.
void Fold::State::put_back_one(Service& service, Deploy& deploy, const std::string& host) {
  const auto known = service.by_host.find(host);
  Canary* canary = known == service.by_host.end() ? nullptr : deploy.find(known->second);
  if (canary == nullptr || canary->left || !deploy.open() || canary->in_flight()) return;
  canary->target = target_for(service, deploy, *canary);
  if (canary->target.empty()) {
    deploy.note(now_us, "note", host, "no settled version to go back to");
    return;
  }
  canary->commanded_us = now_us;
  command(service, deploy, *canary);
  deploy.note(now_us, "commanded", host, fmt::format("back from {} to {}", deploy.version, canary->target));
}

/// Commands what the limits allow now; called again at every tick until all is done.
void Fold::State::plan_commands(Service& service, Deploy& deploy) {
  const Policy& policy = policies.of(service.name);
  const size_t fleet = service.present_hosts();
  const size_t parallel =
      std::max<size_t>(1, static_cast<size_t>(policy.max_parallel * static_cast<double>(fleet)));
  size_t in_flight = 0, healthy = 0;
  for (const auto& other : deploys) {
    if (other->service != service.name || !other->open()) continue;
    // A host that cannot answer keeps its command, not its place in the row.
    in_flight += static_cast<size_t>(std::ranges::count_if(other->canaries, [&](const Canary& canary) {
      const Track& track = *service.tracks[canary.host];
      const bool answers = !track.gone && now_us - track.last_heard_us <= kSilentUs &&
                           (!canary.step.empty() || now_us - canary.commanded_us < kUnansweredUs);
      return canary.in_flight() && !canary.left && answers;
    }));
  }
  const auto serves = [&](const Track& track) {
    return !track.gone && track.phase == Phase::serving && now_us - track.last_heard_us <= kSilentUs;
  };
  for (const auto& track : service.tracks) healthy += serves(*track) ? 1 : 0;
  const auto least = static_cast<size_t>(std::ceil(policy.min_healthy * static_cast<double>(fleet)));

  for (Canary& canary : deploy.canaries) {
    const Track& track = *service.tracks[canary.host];
    if (books[track.host].in_conflict(now_us)) continue;
    // What was refused has changed nothing: asked for again from time to time, as what stood in the way may go.
    const bool refused = canary.failed && canary.step == "refused" && !canary.left && !deploy.held;
    if (canary.in_flight() || refused) {
      if (now_us >= canary.next_issue_us) command(service, deploy, canary);
      continue;
    }
    if (deploy.held || canary.left || canary.failed || !canary.command.empty() || track.ambiguous) continue;
    if (in_flight >= parallel) break;
    // Taking down a host that still serves must leave enough of them; one at a time is always allowed, and a host that
    // is failing already is put back in any case.
    if (serves(track) && in_flight > 0 && healthy <= least) continue;
    if (canary.target.empty()) canary.target = target_for(service, deploy, canary);
    if (canary.target.empty()) {
      canary.failed = true;
      canary.reason = "no settled version to go back to";
      continue;
    }
    if (deploy.actor.empty() &&
        too_often(service.name, canary.name, policy.max_automatic_rollbacks_per_hour)) {
      freeze(service, deploy, fmt::format("{} was rolled back {} times within the hour", canary.name,
                                          policy.max_automatic_rollbacks_per_hour));
      return;
    }
    canary.commanded_us = now_us;
    if (deploy.actor.empty()) {
      auto& times = automatic_rollbacks[service.name + "|" + canary.name];
      std::erase_if(times, [&](int64_t at) { return now_us - at >= 3600 * kSecondUs; });
      times.push_back(now_us);
    }
    command(service, deploy, canary);
    deploy.note(now_us, "commanded", canary.name,
                fmt::format("back from {} to {}", deploy.version, canary.target));
    ++in_flight;
    if (serves(track)) --healthy;
  }
}

void Fold::State::command(Service& service, Deploy& deploy, Canary& canary) {
  ++canary.revision;
  canary.command = command_id(deploy.id, canary.name, service.name, "rollback", canary.ordinal);
  canary.next_issue_us = now_us + (canary.step.empty() ? kUnansweredUs : kReissueUs);
  effects.emplace_back(order_for(service, deploy, canary));
}

CommandOrder Fold::State::order_for(const Service& service, const Deploy& deploy,
                                    const Canary& canary) const {
  const Track& track = *service.tracks[canary.host];
  CommandOrder order;
  order.effect_id =
      fmt::format("{}/command/{}/{}.{}", deploy.id, canary.name, canary.ordinal, canary.revision);
  order.command.id = canary.command;
  order.command.revision = canary.revision;
  order.command.deploy = deploy.id;
  order.command.host = canary.name;
  order.command.service = service.name;
  order.command.kind = CommandKind::rollback;
  order.command.condemned = deploy.version;
  order.command.target = canary.target;
  order.command.supersedes = canary.superseded;
  order.command.issued_us = now_us;
  order.command.not_after_us = now_us + track.wall_offset_us + kCommandLifeUs;
  return order;
}

void Fold::State::step_reported(Service& service, Track& track, const Event& event, int64_t at_us) {
  for (auto& each : deploys) {
    Deploy& deploy = *each;
    if (deploy.service != service.name || !deploy.open()) continue;
    Canary* canary = deploy.find(track.index);
    if (canary == nullptr || event.command.empty()) continue;
    // One that went back by itself has an id of its helper's making.
    if (canary->command != event.command && !(canary->dead_man && event.deploy.empty())) continue;
    const int now_rank = rank(event.step);
    const bool ended_badly = event.step == "failed" || event.step == "refused";
    if (!ended_badly && event.step != "cancelled" && now_rank <= rank(canary->step)) return;  // reported again after a restart
    if (ended_badly && (canary->failed || canary->verified_us != 0)) return;
    deploy.note(at_us, event.step, track.host, event.reason);
    if (event.step == "cancelled") return;
    if (event.step == "refused" && may_pass(event.reason)) {
      if (canary->left) return;  // it is back by another way
      canary->reason = event.reason;
      canary->next_issue_us = std::max(canary->next_issue_us, now_us + kUnansweredUs);
      return;
    }
    canary->taken_back = false;  // too late: it is being done
    if (!ended_badly && canary->failed && canary->step == "refused") {
      canary->failed = canary->failure_told = false;
      deploy.state = DeployState::rolling_back;
    }
    canary->step = event.step;
    canary->reason = event.reason;
    canary->next_issue_us = std::max(canary->next_issue_us, now_us + kReissueUs);
    if (event.step == "healthy" || event.step == "verified") {
      if (canary->restored_us == 0) canary->restored_us = at_us;
    }
    if (event.step == "verified") canary->verified_us = at_us;
    if (event.step == "verified" && tells_of_flag(event.reason)) {
      canary->flag_off = true;
      canary->target = deploy.version;  // what recovery is looked for in
    }
    if (ended_badly) canary->failed = true;
    after_steps(service, deploy);
    return;
  }
}

/// Looks whether the rollback is done, or has failed somewhere.
void Fold::State::after_steps(Service& service, Deploy& deploy) {
  if (!deploy.acting()) return;
  bool all_done = true, any_failed = false;
  for (Canary& canary : deploy.canaries) {
    // A host that left by itself needs nothing; one that left by our command is done when it says verified, or when its
    // word must have been lost.
    const Track& track = *service.tracks[canary.host];
    const bool unheard = canary.restored_by_us && now_us - canary.left_us > kUnverifiedUs;
    const bool done = canary.verified_us != 0 || (canary.left && !canary.restored_by_us) || unheard;
    if (canary.failed && (!canary.left || canary.restored_by_us)) {
      // People are told in any case; where the target runs and serves after all, the comparison goes on.
      const bool serves_after_all = canary.left && track.phase == Phase::serving && unheard;
      any_failed = any_failed || !serves_after_all;
      if (std::exchange(canary.failure_told, true)) continue;
      const std::string text = fmt::format("{} {}: rollback failed on {}: {}; {}", service.name, deploy.version,
                                           canary.name, canary.reason,
                                           canary.left ? canary.target + " runs there, and is not known to be well"
                                                       : "the host may still run it");
      deploy.note(now_us, "rollback_failed", canary.name, text);
      Decision decision = decision_of(deploy, DecisionKind::rollback_failed, canary.name);
      decision.reason.text = text;
      emit(std::move(decision));
      tell("rollback_failed", deploy, text, canary.name);
    } else if (!done) {
      all_done = false;
    }
  }
  if (any_failed) {
    deploy.state = DeployState::rollback_failed;
    return;
  }
  if (!all_done) return;
  const bool any_verified = std::ranges::any_of(
      deploy.canaries, [](const Canary& canary) { return canary.back(); });
  if (!any_verified) {
    Decision decision = decision_of(deploy, DecisionKind::withdrawn);
    decision.reason.text = "its hosts left it by themselves";
    emit(std::move(decision));
    end(deploy, DeployState::withdrawn);
    return;
  }
  deploy.state = DeployState::rolled_back;
  deploy.rolled_back_us = now_us;
  check_agreement(service, deploy);
  Decision decision = decision_of(deploy, DecisionKind::rolled_back);
  decision.reason.text = words_rolled_back(deploy);
  deploy.note(now_us, "rolled_back", "", decision.reason.text);
  emit(std::move(decision));
  const std::string hosts = words_list(deploy.host_names([](const Canary& canary) { return canary.back(); }));
  tell("rolled_back", deploy,
       fmt::format("{} {} rolled back on {} · {} · {}", service.name, deploy.version, hosts,
                   deploy.reason.text, words_rolled_back(deploy)));
  // Counts are compared again; for levels, slopes and guardrails it is enough that the hosts serve and nothing dies.
  const bool counted = deploy.reason.metric == "errors" || deploy.reason.metric == "slo" || deploy.fired_edge_seconds;
  const bool by_rate = counted && deploy.reason.canary && deploy.reason.baseline;
  if (!by_rate || deploy.reason.kind == ReasonKind::act) return;
  const double effect = *deploy.reason.canary / std::max(*deploy.reason.baseline, kLeastUsualRate);
  // Half way back, on the log scale, is still sick: in ratio to the baseline and in the hosts' own rate.
  const double sick = deploy.reason.canary.value_or(0);
  const double usual = std::max(deploy.reason.baseline.value_or(0), kLeastUsualRate);
  deploy.recovery.emplace(std::max(kLeastStillBadRatio, std::sqrt(std::max(effect, 1.0))), kRecoveryAlpha,
                          sick > usual ? std::sqrt(sick * usual) : 0);
}

/// The same comparison again, with the hosts that were put back as the canary.
void Fold::State::verify_recovery(Service& service, Deploy& deploy, int64_t second) {
  if (second * kSecondUs < deploy.rolled_back_us) return;
  const std::vector<Cell>* cells = service.steps.at(second);
  double canary_requests = 0, canary_errors = 0, baseline_requests = 0, baseline_errors = 0;
  size_t serving = 0, restored = 0;
  const auto bad_in = [&](const Cell& cell) {
    return deploy.fired_edge_seconds ? cell.latency.above(ExpHistogram::index_of(*deploy.fired_edge_seconds)) : cell.errors;
  };
  for (const Canary& canary : deploy.canaries) {
    const Track& track = *service.tracks[canary.host];
    if (!canary.back() || track.gone || track.version != canary.target) continue;
    ++restored;
    const int64_t patience_us = std::max<int64_t>(kHeardUs, 2 * static_cast<int64_t>(track.interval_us));
    if (track.phase == Phase::serving && now_us - track.last_heard_us <= patience_us) ++serving;
  }
  if (cells != nullptr) {
    for (const Cell& cell : *cells) {
      const Canary* canary = deploy.find(cell.host);
      if (!cell.judged) continue;
      if (canary != nullptr && canary->back() && cell.version == canary->target) {
        canary_requests += static_cast<double>(cell.requests);
        canary_errors += static_cast<double>(bad_in(cell));
      } else if (canary == nullptr && service.settled(cell.version) &&
                 !in_deploy(service, cell.host, &deploy)) {
        baseline_requests += static_cast<double>(cell.requests);
        baseline_errors += static_cast<double>(bad_in(cell));
      }
    }
  }
  bool died = false;
  for (const Canary& canary : deploy.canaries) {
    const auto& deaths = service.tracks[canary.host]->deaths;
    died = died || (!deaths.empty() && deaths.back().at_us >= second * kSecondUs);
  }
  deploy.recovery_quiet_seconds = serving >= restored && !died ? deploy.recovery_quiet_seconds + 1 : 0;
  if (restored == 0) {
    Decision decision = decision_of(deploy, DecisionKind::superseded);
    decision.reason.text = fmt::format("the hosts that were put back from {} run something else now", deploy.version);
    emit(std::move(decision));
    end(deploy, DeployState::superseded);
    return;
  }
  deploy.recovery_requests += canary_requests;
  if (deploy.recovery) {
    deploy.recovery->step(canary_requests, canary_errors, baseline_requests, baseline_errors);
  }
  const bool well = deploy.recovery ? deploy.recovery->recovered() && deploy.recovery_quiet_seconds > 0
                                    : deploy.recovery_quiet_seconds >= kQuietSeconds;
  const auto after = static_cast<double>(now_us - deploy.rolled_back_us) / 1e6;
  if (well) {
    Decision decision = decision_of(deploy, DecisionKind::recovered);
    decision.reason.text = fmt::format("{} is well again {:.0f} s after the rollback of {}: {}",
                                       service.name, after, deploy.version, words_rolled_back(deploy));
    deploy.note(now_us, "recovered", "", decision.reason.text);
    tell("recovered", deploy, decision.reason.text);
    emit(std::move(decision));
    end(deploy, DeployState::recovered);
    return;
  }
  if (after < policies.of(service.name).verify_seconds) return;
  if (flag_did_not_help(service, deploy)) return;
  Decision decision = decision_of(deploy, DecisionKind::not_the_cause);
  decision.reason.text =
      deploy.recovery && deploy.recovery_requests < kTooFewRequests
          ? fmt::format("{} was put back from {}; {:.0f} requests in {:.0f} s are too few to say whether that helped",
                        service.name, deploy.version, deploy.recovery_requests, after)
          : fmt::format("{} was put back from {}, and {:.0f} s later no recovery shows: the release was not the cause, "
                        "or not the only one",
                        service.name, deploy.version, after);
  deploy.note(now_us, "not_the_cause", "", decision.reason.text);
  tell("not_the_cause", deploy, decision.reason.text);
  emit(std::move(decision));
  end(deploy, DeployState::not_the_cause);
}

}  // namespace serin::core
