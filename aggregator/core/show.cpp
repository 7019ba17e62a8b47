#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/state.h"

namespace serin::core {
namespace {

std::string words_metric(const judge::Finding& finding, const DeployView& deploy) {
  if (!finding.canary || !finding.baseline) return finding.metric + ": nothing to compare yet";
  std::string text = words_compared(finding.metric, *finding.canary, *finding.baseline, finding.edge_seconds);
  if (finding.effect) {
    text += fmt::format(", x{:.2f}", *finding.effect);
    if (finding.effect_low && finding.effect_high) {
      text += fmt::format(" (95 % between x{:.2f} and x{:.2f})", *finding.effect_low, *finding.effect_high);
    }
  }
  text += fmt::format("; evidence {:.1f} of the {:.1f} nats that roll back", finding.log_evidence,
                      finding.threshold);
  if (!finding.fired && deploy.verdict.empty()) {
    if (finding.visible_effect) text += fmt::format("; x{:.1f} would have been seen by now", *finding.visible_effect);
    if (finding.seconds_to_must_see && *finding.seconds_to_must_see > 0) {
      text += fmt::format("; {:.0f} s more to see what must be seen", *finding.seconds_to_must_see);
    }
  }
  return text;
}

DeployView view_of(const Deploy& deploy, const Service& service, const Policy& policy, bool whole) {
  DeployView view;
  view.id = deploy.id;
  view.service = deploy.service;
  view.version = deploy.version;
  view.previous = deploy.previous;
  view.attempt = deploy.attempt;
  view.state = deploy.state;
  view.verdict = deploy.verdict;
  view.opened_us = deploy.opened_us;
  const auto length_us = static_cast<int64_t>(policy.watch_window_seconds * 1e6);
  view.window_ends_us = std::min(deploy.last_join_us + length_us, deploy.opened_us + 3 * length_us);
  view.decided_us = deploy.decided_us;
  view.ended_us = deploy.ended_us;
  view.first_bad_us = deploy.first_bad_us;
  view.same_name = deploy.same_name;
  view.irreversible = deploy.irreversible;
  view.held = deploy.held;
  view.incomplete = deploy.incomplete;
  view.reason = deploy.reason;
  for (const Canary& canary : deploy.canaries) {
    view.hosts.push_back({canary.name, canary.from, canary.joined_us, canary.target, canary.step,
                          canary.reason, canary.commanded_us, canary.restored_us, canary.verified_us,
                          canary.left});
  }
  view.baseline_hosts = deploy.baseline_hosts;
  view.canary_requests = deploy.canary_requests;
  view.canary_errors = deploy.canary_errors;
  view.requests_harmed = deploy.requests_harmed;
  if (!whole) return view;
  view.timeline = deploy.timeline;
  std::ranges::stable_sort(view.timeline, {}, &TimelineEntry::at_us);
  if (!deploy.battery) return view;
  for (const auto& finding : deploy.battery->findings()) {
    MetricView metric;
    metric.metric = finding.metric;
    std::string key = finding.metric;
    if (finding.host) {
      metric.host = service.tracks[*finding.host]->host;
      key += "@" + metric.host;
    }
    metric.process = finding.process;
    metric.canary = finding.canary;
    metric.baseline = finding.baseline;
    metric.effect = finding.effect;
    metric.effect_low = finding.effect_low;
    metric.effect_high = finding.effect_high;
    metric.log_evidence = finding.log_evidence;
    metric.threshold = finding.threshold;
    metric.visible_effect = finding.visible_effect;
    metric.seconds_to_must_see = finding.seconds_to_must_see;
    metric.text = words_metric(finding, view);
    if (auto series = deploy.series.find(key); series != deploy.series.end()) {
      metric.series.assign(series->second.begin(), series->second.end());
    }
    view.metrics.push_back(std::move(metric));
  }
  return view;
}

}  // namespace

std::vector<ServiceView> Fold::services() const {
  std::vector<ServiceView> views;
  for (const auto& [name, service] : state_->services) {
    if (name == "_host" || name.empty()) continue;
    ServiceView view;
    view.name = name;
    for (const auto& [version, record] : service.versions) {
      if (record.settled) view.settled.push_back(version);
      if (service.condemned(version, state_->now_us)) view.condemned.push_back(version);
    }
    std::map<std::string, size_t> running;
    for (const auto& track : service.tracks) {
      if (track->gone) continue;
      ++view.hosts;
      if (!track->version.empty()) ++running[track->version];
    }
    view.versions.assign(running.begin(), running.end());
    for (const auto& deploy : state_->deploys) {
      if (deploy->service == name && deploy->open()) view.open_deploys.push_back(deploy->id);
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<HostView> Fold::hosts(std::string_view wanted) const {
  std::vector<HostView> views;
  const State& s = *state_;
  for (const auto& [name, service] : s.services) {
    if (name == "_host" || (!wanted.empty() && name != wanted)) continue;
    for (const auto& track : service.tracks) {
      HostView view;
      view.host = track->host;
      view.service = name;
      view.version = track->version;
      view.selected = track->selected;
      view.generation = track->generation;
      view.phase = track->phase;
      view.last_heard_us = track->last_heard_us;
      view.interval_us = track->interval_us;
      const int64_t limit_us = track->interval_us <= 1'500'000
                                   ? State::kSilentShownUs
                                   : 3 * static_cast<int64_t>(track->interval_us) + 5 * State::kSecondUs;
      view.silent = !track->gone && s.now_us - std::max(track->last_heard_us, s.gap_to_us) > limit_us;
      if (auto book = s.books.find(track->host); book != s.books.end()) {
        view.conflict = book->second.in_conflict(s.now_us);
        view.gaps = book->second.missing(name);
      }
      view.gone = track->gone;
      view.samples = track->samples;
      view.repeats = track->repeats;
      view.late = track->late;
      view.refused = track->refused;
      view.skewed = track->skewed;
      view.absent = track->absent;
      for (const auto& deploy : s.deploys) {
        if (!deploy->open() || deploy->service != name) continue;
        const Canary* canary = deploy->find(track->index);
        if (canary != nullptr && !canary->left) view.deploy = deploy->id;
      }
      views.push_back(std::move(view));
    }
  }
  return views;
}

std::vector<DeployView> Fold::deploys() const {
  std::vector<DeployView> views;
  for (auto it = state_->deploys.rbegin(); it != state_->deploys.rend(); ++it) {
    views.push_back(view_of(**it, state_->services.at((*it)->service),
                            state_->policies.of((*it)->service), false));
  }
  return views;
}

std::optional<DeployView> Fold::deploy(std::string_view id) const {
  const Deploy* deploy = state_->deploy_by_id(id);
  if (deploy == nullptr) return std::nullopt;
  return view_of(*deploy, state_->services.at(deploy->service), state_->policies.of(deploy->service), true);
}

Fold::GateAnswer Fold::gate(std::string_view service_name, std::string_view version, size_t stage) const {
  const State& s = *state_;
  auto service = s.services.find(service_name);
  const std::string what = fmt::format("{} {}", service_name, version);
  if (service != s.services.end() && service->second.condemned(version, s.now_us)) {
    return {Gate::stop, what + " was rolled back before"};
  }
  for (auto it = s.deploys.rbegin(); it != s.deploys.rend(); ++it) {
    const Deploy& deploy = **it;
    if (deploy.service != service_name || deploy.version != version) continue;
    if (!deploy.open()) break;
    if (deploy.verdict == "rollback" || deploy.state == DeployState::frozen) {
      return {Gate::stop, fmt::format("{}: {}", what, deploy.reason.text)};
    }
    if (stage > deploy.stage) return {Gate::not_yet, what + " is still being watched"};
    return {Gate::go, what + " may run at this stage and is being watched"};
  }
  const VersionRecord* record = nullptr;
  if (service != s.services.end()) {
    if (auto it = service->second.versions.find(version); it != service->second.versions.end()) record = &it->second;
  }
  if (record == nullptr || (!record->settled && record->attempts == 0)) {
    if (stage == 0) return {Gate::go, what + " has not been seen: it may start on the first stage"};
    return {Gate::not_yet, what + " has not been seen on an earlier stage"};
  }
  if (record->settled && (record->attempts == 0 || stage <= record->stage_passed)) {
    return {Gate::go, what + " has passed what comes before this stage"};
  }
  if (record->settled) return {Gate::not_yet, fmt::format("{} passed stage {}; stage {} comes first", what, record->stage_passed, record->stage_passed + 1)};
  if (stage == 0) return {Gate::go, what + " may be tried again on the first stage"};
  return {Gate::not_yet, what + " ended without a verdict: pass it by hand, or try it again on the first stage"};
}

Fold::Counters Fold::counters() const {
  Counters counters = state_->counters;
  for (const auto& [name, service] : state_->services) {
    for (const auto& track : service.tracks) {
      if (auto book = state_->books.find(track->host); book != state_->books.end()) {
        counters.gaps += book->second.missing(name);
      }
    }
  }
  return counters;
}

}  // namespace serin::core
