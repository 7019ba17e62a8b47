#include <fmt/format.h>

#include <algorithm>

#include "aggregator/core/drift.h"
#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

// Canary hosts that differ in more than the version: what they show says nothing about it.

namespace serin::core {
namespace {

constexpr size_t kMostCompared = 1000;  ///< hosts whose facts are counted at a look; some 10 ms
/// With nobody left to judge, the guardrails look on for as long as a bad start takes to show.
constexpr int64_t kGuardedUs = 60'000'000;

DriftView view_of(const Difference& difference, const std::string& host) {
  DriftView view{.host = host,
                 .fact = difference.fact,
                 .canary = difference.canary,
                 .baseline = difference.baseline,
                 .before = difference.before,
                 .blocking = difference.blocking,
                 .text = {}};
  view.text = words_drift(view);
  return view;
}

}  // namespace

/// The hosts on the versions before, whatever they report.
std::vector<const Track*> Fold::State::compared_with(const Service& service,
                                                     const Deploy& deploy) const {
  std::set<uint32_t> canaries;
  for (const auto& other : deploys) {
    if (!other->open() || other->service != service.name) continue;
    for (const Canary& canary : other->canaries)
      if (!canary.left) canaries.insert(canary.host);
  }
  std::vector<const Track*> tracks;
  for (const auto& track : service.tracks) {
    const auto conflict = [&] {
      const auto book = books.find(track->host);
      return book != books.end() && book->second.in_conflict(now_us);
    };
    const bool settled = std::ranges::find(deploy.baseline_versions, track->version) !=
                         deploy.baseline_versions.end();
    if (settled && !track->gone && !canaries.contains(track->index) && !conflict()) {
      tracks.push_back(track.get());
    }
  }
  return tracks;
}

/// Looks again when a host's facts or the cohorts have changed. A host that left the evidence stays
/// out of it: what it showed was thrown away.
void Fold::State::watch_drift(Service& service, Deploy& deploy) {
  if (!deploy.verdict.empty() || deploy.drift_seen == service.facts_revision) return;
  deploy.drift_seen = service.facts_revision;
  const auto others = compared_with(service, deploy);
  UsualFacts usual;
  const size_t stride = (others.size() + kMostCompared - 1) / kMostCompared;
  for (size_t i = 0; i < others.size(); i += stride) usual.add(others[i]->facts);
  // Of a large fleet a part was looked at: before a host is left out, all others are asked.
  const auto somewhere = [&](const Difference& difference) {
    return stride > 1 && std::ranges::any_of(others, [&](const Track* other) {
             const std::string* value = other->facts.value(difference.fact);
             return value != nullptr && alike(difference.fact, difference.canary, *value);
           });
  };
  deploy.drift.clear();
  for (Canary& canary : deploy.canaries) {
    if (canary.left) continue;
    const Track& track = *service.tracks[canary.host];
    for (auto& difference : differences(track.facts, canary.facts_before, usual)) {
      if (difference.blocking && somewhere(difference)) continue;
      const DriftView view = view_of(difference, canary.name);
      if (view.blocking && !canary.drifted) leave_evidence(service, deploy, canary, view);
      if (deploy.drift.size() < Deploy::kMaxDrift) deploy.drift.push_back(view);
    }
  }
  std::ranges::stable_partition(deploy.drift, &DriftView::blocking);
}

void Fold::State::leave_evidence(Service& service, Deploy& deploy, Canary& canary,
                                 const DriftView& why) {
  canary.drifted = true;
  if (deploy.battery) deploy.battery->leave(canary.host);
  std::erase_if(deploy.canary_step, [&](const Cell& cell) { return cell.host == canary.host; });
  deploy.note(now_us, "drift", canary.name, "left the evidence: " + why.text);
  const char* rest = deploy.judged() > 0 ? "the verdict rests on the other hosts"
                                         : "no host is left to judge by; guardrails still act";
  tell("drift", deploy,
       fmt::format("{} {} is not judged by {}, which differs in more than the version: {}; {}",
                   service.name, deploy.version, canary.name, why.text, rest),
       canary.name);
}

/// Every host of the deploy differs in more than the version.
void Fold::State::drift_window(Service& service, Deploy& deploy) {
  if (deploy.present() == 0) return;
  const auto length_us = static_cast<int64_t>(policies.of(service.name).watch_window_seconds * 1e6);
  if (now_us < deploy.last_join_us + std::min(length_us, kGuardedUs)) return;
  Reason reason{.kind = ReasonKind::evidence, .metric = "drift"};
  reason.text = fmt::format("{} {} is inconclusive: drift: {}", service.name, deploy.version,
                            words_drifts(deploy.drift));
  conclude(service, deploy, DecisionKind::inconclusive, DeployState::inconclusive,
           std::move(reason));
}

}  // namespace serin::core
