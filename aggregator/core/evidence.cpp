#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

namespace serin::core {
namespace {

constexpr int64_t kSlowestCloseUs = 3'000'000;   ///< CONTRACTS §3
constexpr int64_t kSlowHalfUs = 5'000'000;         ///< half of a 10 s interval
constexpr int64_t kCadenceDecidedSeconds = 15;
constexpr int64_t kCrashLoopSettledUs = 10'000'000;  ///< a supervisor's pause between two starts is shorter
constexpr uint32_t kFastIntervalUs = 1'500'000;  ///< what counts as sampling at 1 s

bool is_one_of(const std::vector<std::string>& list, const std::string& word) {
  return std::ranges::find(list, word) != list.end();
}

uint32_t ends_within(const Track& track, const std::string& version, int64_t from_us, int64_t to_us) {
  return static_cast<uint32_t>(std::ranges::count_if(track.deaths, [&](const Track::Death& death) {
    return death.version == version && death.at_us >= from_us && death.at_us < to_us;
  }));
}

void fold_in(std::vector<Cell>& into, const Cell& cell) {
  auto same = std::ranges::find(into, cell.host, &Cell::host);
  if (same == into.end()) {
    into.push_back(cell);
    return;
  }
  same->age_seconds = std::min(same->age_seconds, cell.age_seconds);
  same->requests += cell.requests;
  same->errors += cell.errors;
  same->latency.merge(cell.latency);
  if (cell.cpu_seconds) same->cpu_seconds = same->cpu_seconds.value_or(0) + *cell.cpu_seconds;
  same->rss_bytes = cell.rss_bytes;
  same->fds = cell.fds;
  same->threads = cell.threads;
  same->connections = cell.connections;
  add_up(same->failed_connects, cell.failed_connects);
  add_up(same->accept_overflows, cell.accept_overflows);
  add_counters(same->business, cell.business);
}

using Entries = std::vector<std::pair<std::string_view, double>>;

size_t counters_in(const std::vector<Cell>& cells) {
  size_t count = 0;
  for (const Cell& cell : cells) count += cell.business.size();
  return count;
}

/// `entries` holds the counters that the steps look at; it has room for them all.
std::vector<judge::HostStep> as_steps(const std::vector<Cell>& cells, Entries& entries) {
  std::vector<judge::HostStep> steps;
  steps.reserve(cells.size());
  for (const Cell& cell : cells) {
    judge::HostStep step;
    step.host = cell.host;
    step.age_seconds = cell.age_seconds;
    step.seconds = static_cast<double>(cell.interval_us) / 1e6;
    step.requests = cell.requests;
    step.errors = cell.errors;
    step.latency = &cell.latency;
    step.cpu_seconds = cell.cpu_seconds;
    step.rss_bytes = cell.rss_bytes;
    step.fds = cell.fds;
    step.threads = cell.threads;
    step.connections = cell.connections;
    step.failed_connects = cell.failed_connects;
    step.accept_overflows = cell.accept_overflows;
    const size_t first = entries.size();
    for (const NamedValue& counter : cell.business) {
      entries.emplace_back(counter.name, counter.value);
    }
    step.business = std::span(entries).subspan(first);
    steps.push_back(step);
  }
  // The order of arrival must not show in the sums.
  std::ranges::sort(steps, {}, &judge::HostStep::host);
  return steps;
}

}  // namespace

/// True while this host is expected to report `second` and has not. Hosts that were heard just before the stream stood
/// still are expected too: their samples are on the way.
bool Fold::State::awaited(const Track& track, int64_t second) const {
  if (track.gone || track.phase == Phase::down || track.last_step >= second) return false;
  if (track.interval_us > kFastIntervalUs) {
    // In steps of 10 s the slow hosts count: their sample comes half an interval after its middle.
    const int64_t interval_seconds = track.interval_us / kSecondUs;
    return services.at(track.service).slow_steps && track.last_step + interval_seconds <= second &&
           now_us - track.last_heard_us <= 2 * static_cast<int64_t>(track.interval_us) + kSlowestCloseUs;
  }
  const bool after_gap = now_us - gap_to_us < 2 * kHeardUs;
  return now_us - track.last_heard_us <= kHeardUs ||
         (after_gap && gap_from_us - track.last_heard_us <= kHeardUs);
}

/// A second closes when every host heard of late has reported it, or, 3 s past its end, when half of the baseline is
/// already further. So an outage of the bus delays evidence and loses none; one late host is left out of one second.
/// Costs one look at the host last waited for; the whole fleet is gone through about once a second.
bool Fold::State::may_close(Service& service, int64_t second) const {
  const int64_t end_us = (second + 1) * kSecondUs;
  const int64_t slowest_us = end_us + kSlowestCloseUs + (service.slow_steps ? kSlowHalfUs : 0);
  if (now_us < end_us || service.tracks.empty()) return false;
  const size_t count = service.tracks.size();
  if (service.waiting_for >= count) service.waiting_for = 0;
  const size_t begin = service.waiting_for;
  bool all = true;
  for (size_t i = 0; all && i < count; ++i) {
    const size_t index = (begin + i) % count;
    if (!awaited(*service.tracks[index], second)) continue;
    service.waiting_for = index;
    all = false;
  }
  if (all) {
    return now_us >= slowest_us || std::ranges::any_of(service.tracks, [&](const auto& track) {
             return !track->gone && now_us - track->last_heard_us <= kHeardUs;
           });
  }
  if (now_us < slowest_us || now_us - service.last_late_check_us < kSecondUs / 10) {
    return false;
  }
  service.last_late_check_us = now_us;
  std::set<uint32_t> canaries;
  for (const auto& deploy : deploys) {
    if (!deploy->open() || deploy->service != service.name) continue;
    for (const auto& canary : deploy->canaries) canaries.insert(canary.host);
  }
  size_t others = 0, further = 0;
  for (const auto& track : service.tracks) {
    const bool slow = track->interval_us > kFastIntervalUs && !service.slow_steps;
    if (track->gone || slow || canaries.contains(track->index)) continue;
    ++others;
    if (track->last_step > second) ++further;
  }
  return further * 2 >= others;
}

void Fold::State::close_seconds(Service& service) {
  while (service.watching && may_close(service, service.next_second)) {
    const int64_t second = service.next_second++;
    for (size_t i = 0; i < deploys.size(); ++i) {
      Deploy& deploy = *deploys[i];
      if (deploy.service == service.name && deploy.open() && second >= deploy.first_second) {
        judge_second(service, deploy, second);
      }
    }
    service.steps.close(second);
    service.watching = any_open(service.name);
  }
}

bool Fold::State::in_deploy(const Service& service, uint32_t host, const Deploy* but) const {
  return std::ranges::any_of(deploys, [&](const auto& other) {
    if (other.get() == but || !other->open() || other->service != service.name) return false;
    const Canary* canary = other->find(host);
    return canary != nullptr && !canary->left;
  });
}

void Fold::State::judge_second(Service& service, Deploy& deploy, int64_t second) {
  watch_drift(service, deploy);
  gather(service, deploy, second);
  guard_limits(service, deploy, second);
  const bool boundary = deploy.step_seconds == 1 || (second + 1) % deploy.step_seconds == 0;
  if (boundary) {
    feed(service, deploy, second);
    deploy.canary_step.clear();
    deploy.baseline_step.clear();
  }
  settle_cadence(service, deploy, second);
  if (deploy.state == DeployState::rolled_back) verify_recovery(service, deploy, second);
}

/// Sorts the second's cells into the cohorts, and counts harm (which a late or starting host does too).
void Fold::State::gather(Service& service, Deploy& deploy, int64_t second) {
  const std::vector<Cell>* cells = service.steps.at(second);
  if (cells == nullptr) return;
  const Policy& policy = policies.of(service.name);
  Deploy::FleetSecond baseline;
  for (const Cell& cell : *cells) {
    Canary* canary = deploy.find(cell.host);
    if (canary != nullptr && cell.version == deploy.version) {
      if (cell.errors > 0 && deploy.first_bad_us == 0) {
        deploy.first_bad_us = (second + 1) * kSecondUs;
        deploy.note(deploy.first_bad_us, "first_bad_request", canary->name,
                    fmt::format("{} of {} requests failed in this second", cell.errors, cell.requests));
      }
      if (canary->restored_us == 0) deploy.requests_harmed += cell.errors;
      if (!cell.judged || canary->left) continue;
      canary->recent.push_back({second, cell.requests, cell.errors});
      if (canary->drifted) continue;
      deploy.canary_requests += cell.requests;
      deploy.canary_errors += cell.errors;
      fold_in(deploy.canary_step, cell);
    } else if (canary == nullptr && cell.judged &&
               cell.age_seconds >= policy.baseline_age_seconds &&
               is_one_of(deploy.baseline_versions, cell.version) &&
               !in_deploy(service, cell.host, &deploy) &&
               !drilling(service.name, service.tracks[cell.host]->host)) {
      fold_in(deploy.baseline_step, cell);
      baseline.requests += cell.requests;
      baseline.errors += cell.errors;
      baseline.timed += cell.latency.total();
      baseline.slow += cell.latency.above(deploy.history_slow_bucket);
    }
  }
  baseline.second = second;
  deploy.baseline_requests += baseline.requests;
  deploy.baseline_errors += baseline.errors;
  deploy.baseline_recent.push_back(baseline);
  if (deploy.baseline_recent.size() > Deploy::kFleetWindowSeconds) deploy.baseline_recent.pop_front();
  watch_fleet(deploy, second);
}

void Fold::State::feed(Service& service, Deploy& deploy, int64_t second) {
  if (!deploy.battery || !deploy.verdict.empty()) return;
  const int64_t from_us = (second + 1 - deploy.step_seconds) * kSecondUs, to_us = (second + 1) * kSecondUs;
  // A host that died may have no sample of this step: its end counts all the same.
  for (const Canary& host : deploy.canaries) {
    const Track& track = *service.tracks[host.host];
    const bool reported =
        std::ranges::find(deploy.canary_step, host.host, &Cell::host) != deploy.canary_step.end();
    if (host.left || host.drifted || reported || ends_within(track, deploy.version, from_us, to_us) == 0) continue;
    Cell dead;
    dead.host = host.host;
    deploy.canary_step.push_back(std::move(dead));
  }
  Entries entries;
  entries.reserve(counters_in(deploy.canary_step) + counters_in(deploy.baseline_step));
  auto canary = as_steps(deploy.canary_step, entries);
  auto baseline = as_steps(deploy.baseline_step, entries);
  for (auto* steps : {&canary, &baseline}) {
    for (auto& step : *steps) {
      const Track& track = *service.tracks[step.host];
      step.unexpected_ends = ends_within(track, track.version, from_us, to_us);
    }
  }
  deploy.baseline_hosts.clear();
  for (const auto& step : baseline) deploy.baseline_hosts.push_back(service.tracks[step.host]->host);
  if (baseline.size() >= 2) deploy.baseline_seen_us = to_us;
  // With fewer than two hosts to compare with the evidence stands still; only the late prior is paid.
  if (baseline.size() < 2) {
    canary.clear();
    baseline.clear();
  }
  const auto at = static_cast<double>(second + 1 - deploy.first_second);
  deploy.battery->step(at, canary, baseline);

  for (const auto& finding : deploy.battery->findings()) {
    if (finding.advisory && finding.fired) tell_advisory(service, deploy, finding);
    std::string key = finding.metric;
    if (finding.host) key += "@" + service.tracks[*finding.host]->host;
    auto& series = deploy.series[key];
    EvidencePoint point{(second + 1) * kSecondUs, finding.log_evidence, finding.threshold, {}, {}};
    const auto rate = [](const std::vector<judge::HostStep>& steps) -> std::optional<double> {
      uint64_t n = 0, x = 0;
      for (const auto& s : steps) n += s.requests, x += s.errors;
      if (n == 0) return std::nullopt;
      return static_cast<double>(x) / static_cast<double>(n);
    };
    if (finding.metric == "errors" && !finding.host) {
      point.canary = rate(canary);
      point.baseline = rate(baseline);
    }
    series.push_back(point);
    if (series.size() > Deploy::kMaxSeries) series.pop_front();
  }
  const judge::Finding* fired = deploy.battery->fired();
  if (fired == nullptr) return;
  // Ends in quick succession are the guardrail's matter, which says "crash loop" at the third.
  if (fired->metric == "restarts" && std::ranges::any_of(deploy.canaries, [&](const Canary& host) {
        const Track& track = *service.tracks[host.host];
        return !track.deaths.empty() && to_us - track.deaths.back().at_us < kCrashLoopSettledUs;
      })) {
    return;
  }
  deploy.fired_edge_seconds = fired->edge_seconds;
  const MetricView decisive = view_of(*fired, deploy, service);
  Reason reason = reason_of(decisive);
  reason.text = decisive.text;
  decide_rollback(service, deploy, std::move(reason), {});
}

/// 15 s into a watch it is known whether the baseline samples at 1 s; if half of it does not, steps are 10 s.
void Fold::State::settle_cadence(Service& service, Deploy& deploy, int64_t second) {
  if (deploy.cadence_settled || second - deploy.first_second < kCadenceDecidedSeconds) return;
  deploy.cadence_settled = true;
  size_t baseline = 0, fast = 0;
  for (const auto& track : service.tracks) {
    if (deploy.find(track->index) != nullptr || track->gone ||
        !is_one_of(deploy.baseline_versions, track->version)) {
      continue;
    }
    ++baseline;
    if (track->interval_us <= kFastIntervalUs) ++fast;
  }
  if (baseline == 0 || fast * 2 >= baseline) return;
  deploy.step_seconds = 10;
  service.slow_steps = true;
  deploy.alpha_share /= 2;  // the first 15 s have been judged once already
  deploy.note(now_us, "note", "", "half of the baseline samples at 10 s: evidence in steps of 10 s");
  make_battery(service, deploy);
}

}  // namespace serin::core
