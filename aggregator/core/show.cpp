#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

namespace serin::core {
namespace {

/// Nats a second over the last minute, and from it the time to the line; absent where nothing grows.
std::optional<double> seconds_to_rollback(const std::deque<EvidencePoint>& series) {
  constexpr int64_t kPaceUs = 60'000'000, kLeastUs = 10'000'000;
  if (series.empty()) return std::nullopt;
  const EvidencePoint& now = series.back();
  const auto then = std::ranges::find_if(series, [&](const auto& p) { return now.at_us - p.at_us <= kPaceUs; });
  const auto us = static_cast<double>(now.at_us - then->at_us);
  const double gained = now.log_evidence - then->log_evidence, missing = now.threshold - now.log_evidence;
  if (us < kLeastUs || gained <= 0 || now.log_evidence <= 0 || missing <= 0) return std::nullopt;
  return missing / gained * us / 1e6;
}

bool tells_of_sockets(std::string_view metric) {
  return metric == "connections" || metric == "failed_connects" || metric == "accept_overflows";
}

/// What could be judged, and is not here.
std::vector<Absent> absent_of(const Deploy& deploy, const Service& service, const std::vector<MetricView>& metrics) {
  std::vector<Absent> absent;
  for (const std::string_view kind : {"latency", "cpu_per_request", "rss_bytes", "fds", "threads", "sockets"}) {
    const auto of_kind = [&](const std::string& name) {
      return name.starts_with(kind) || (kind == "sockets" && tells_of_sockets(name));
    };
    if (std::ranges::any_of(metrics, of_kind, &MetricView::metric)) continue;
    std::string reason = "the hosts that ran the version before did not report enough of it before the deploy";
    for (const Canary& canary : deploy.canaries) {
      const auto& known = service.tracks[canary.host]->absent;
      const auto told = std::ranges::find_if(known, of_kind, &Absent::metric);
      if (told != known.end()) reason = canary.name + ": " + told->reason;
    }
    absent.push_back({std::string(kind), std::move(reason)});
  }
  return absent;
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
  view.warmup_restarts = deploy.warmup_restarts;
  view.reason = deploy.reason;
  for (const Canary& canary : deploy.canaries) {
    view.hosts.push_back({canary.name, canary.from, canary.joined_us, canary.target, canary.step,
                          canary.reason, canary.commanded_us, canary.restored_us, canary.verified_us,
                          canary.left, canary.drifted});
  }
  view.baseline_hosts = deploy.baseline_hosts;
  view.canary_requests = deploy.canary_requests;
  view.canary_errors = deploy.canary_errors;
  view.requests_harmed = deploy.requests_harmed;
  view.drift = deploy.drift;
  if (!whole) return view;
  view.timeline = deploy.timeline;
  std::ranges::stable_sort(view.timeline, {}, &TimelineEntry::at_us);
  for (const auto& finding : deploy.findings()) {
    MetricView metric = view_of(finding, deploy, service);
    if (auto series = deploy.series.find(series_key(metric)); series != deploy.series.end()) {
      metric.series.assign(series->second.begin(), series->second.end());
    }
    view.metrics.push_back(std::move(metric));
  }
  view.absent = absent_of(deploy, service, view.metrics);
  return view;
}

bool is_shown_of_each(std::string_view fact) {
  return fact == "agent.version" || fact.starts_with("rollback.") || fact.starts_with("dead_man.");
}

std::vector<std::pair<std::string, std::string>> facts_of(const Track& track, FactScope scope) {
  std::vector<std::pair<std::string, std::string>> facts;
  for (const auto& [name, value, sequence] : track.facts.all()) {
    if (scope == FactScope::all || is_shown_of_each(*name)) facts.emplace_back(*name, *value);
  }
  return facts;
}

}  // namespace

std::string series_key(const MetricView& metric) {
  return metric.host.empty() ? metric.metric : metric.metric + "@" + metric.host;
}

Reason reason_of(const MetricView& metric) {
  Reason reason{.kind = ReasonKind::evidence, .metric = metric.metric};
  reason.canary = metric.canary;
  reason.baseline = metric.baseline;
  reason.effect = metric.effect;
  reason.log_evidence = metric.log_evidence;
  reason.threshold = metric.threshold;
  reason.host = metric.host;
  return reason;
}

MetricView view_of(const judge::Finding& finding, const Deploy& deploy, const Service& service) {
  MetricView metric;
  metric.metric = finding.metric;
  if (finding.host) metric.host = service.tracks[*finding.host]->host;
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
  metric.fired = finding.fired;
  metric.baseline_hosts = deploy.baseline_hosts.size();
  metric.edge_seconds = finding.edge_seconds;
  metric.quantile = finding.quantile;
  metric.next_effect = finding.next_effect;
  metric.seconds_to_next_effect = finding.seconds_to_next_effect;
  metric.must_see = finding.must_see;
  metric.warmup_margin = finding.warmup_margin;
  metric.warmup_restarts = deploy.warmup_restarts;
  metric.judged_from_seconds = finding.judged_from_seconds;
  metric.slope = finding.slope;
  metric.baseline_slope = finding.baseline_slope;
  metric.slope_low = finding.slope_low;
  metric.slope_high = finding.slope_high;
  metric.room = finding.room;
  metric.history_assumed = finding.history_assumed;
  if (auto series = deploy.series.find(series_key(metric)); series != deploy.series.end() && !finding.fired) {
    metric.seconds_to_rollback = seconds_to_rollback(series->second);
  }
  metric.text = words_metric(metric, deploy.verdict.empty() ? Standing::judged : Standing::over);
  if (finding.advisory) metric.text += "; " + words_not_deciding(service, finding.metric);
  return metric;
}

std::vector<ServiceView> Fold::services() const {
  std::vector<ServiceView> views;
  for (const auto& [name, service] : state_->services) {
    if (name == "_host" || name.empty()) continue;
    ServiceView view;
    view.name = name;
    view.warmup_restarts = service.warmup ? service.warmup->restarts : 0;
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
    for (auto& record : service.placebos.book.records(state_->now_us / State::kSecondUs)) {
      view.placebos.push_back({.metric = record.metric,
                               .runs = record.runs,
                               .fired = record.fired,
                               .runs_hour = record.runs_hour,
                               .fired_hour = record.fired_hour,
                               .widening = record.widening,
                               .advisory = record.advisory,
                               .text = words_advisory(service, record.metric)});
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<HostView> Fold::hosts(std::string_view wanted, FactScope facts) const {
  std::vector<HostView> views;
  const State& s = *state_;
  std::map<std::string_view, const AgentSelf*> agents;
  if (const auto own = s.services.find("_host"); own != s.services.end()) {
    for (const auto& track : own->second.tracks)
      if (track->self) agents[track->host] = &*track->self;
  }
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
      view.facts = facts_of(*track, facts);
      if (const auto agent = agents.find(view.host); agent != agents.end()) view.agent = *agent->second;
      for (const auto& deploy : s.deploys) {
        if (!deploy->open() || deploy->service != name) continue;
        const Canary* canary = deploy->find(track->index);
        if (canary != nullptr && !canary->left) view.deploy = deploy->id;
      }
      for (const Drill& drill : s.drills) {
        if (drill.running() && drill.view.service == name && drill.view.host == track->host) view.drill = drill.view.id;
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
