#include "aggregator/core/deploy.h"

#include <fmt/format.h>

#include <algorithm>

#include "aggregator/core/words.h"

namespace serin::core {

Canary* Deploy::find(uint32_t host) {
  auto it = std::ranges::find(canaries, host, &Canary::host);
  return it == canaries.end() ? nullptr : &*it;
}

bool Deploy::nothing_changed() const {
  return std::ranges::none_of(canaries, [](const Canary& canary) {
    return canary.left || canary.failed || !canary.step.empty();
  });
}

size_t Deploy::present() const {
  return static_cast<size_t>(std::ranges::count(canaries, false, &Canary::left));
}

size_t Deploy::judged() const {
  return static_cast<size_t>(std::ranges::count_if(
      canaries, [](const Canary& canary) { return !canary.left && !canary.drifted; }));
}

void Deploy::note(int64_t at_us, std::string kind, std::string host, std::string text) {
  if (timeline.size() >= kMaxTimeline) return;
  timeline.push_back({at_us, std::move(kind), std::move(host), std::move(text)});
}

void Deploy::close_evidence() {
  last_findings = findings();
  battery.reset();
  canary_step = {};
  baseline_step = {};
  for (auto& [key, points] : series) {
    const size_t every = (points.size() + kEndedSeries - 1) / kEndedSeries;
    std::deque<EvidencePoint> thinned;
    for (size_t back = 0; back < points.size(); back += every) {
      thinned.push_front(points[points.size() - 1 - back]);
    }
    points = std::move(thinned);
    points.shrink_to_fit();
  }
}

std::vector<std::string> Deploy::host_names(bool (*which)(const Canary&)) const {
  std::vector<std::string> names;
  for (const Canary& canary : canaries) {
    if (which == nullptr || which(canary)) names.push_back(canary.name);
  }
  return names;
}

std::string words_rolled_back(const Deploy& deploy) {
  int64_t slowest_us = 0;
  std::string target;
  size_t back = 0;
  for (const auto& canary : deploy.canaries) {
    if (canary.verified_us == 0) continue;
    ++back;
    target = canary.target;
    slowest_us = std::max(slowest_us, canary.verified_us - canary.commanded_us);
  }
  if (back == 0) return fmt::format("the hosts left it, not verified; {} requests hurt", deploy.requests_harmed);
  const double seconds = static_cast<double>(slowest_us) / 1e6;
  if (target == deploy.version && !deploy.same_name) {
    return fmt::format("flag turned off on {} in {:.1f} s, {} runs on, verified; {} requests hurt",
                       words_hosts(back), seconds, target, deploy.requests_harmed);
  }
  return fmt::format("{} back on {} in {:.1f} s, verified; {} requests hurt", words_hosts(back), target, seconds,
                     deploy.requests_harmed);
}

std::string_view name(DeployState state) {
  switch (state) {
    case DeployState::watching: return "watching";
    case DeployState::rolling_back: return "rolling_back";
    case DeployState::rolled_back: return "rolled_back";
    case DeployState::recovered: return "recovered";
    case DeployState::not_the_cause: return "not_the_cause";
    case DeployState::passed: return "passed";
    case DeployState::inconclusive: return "inconclusive";
    case DeployState::frozen: return "frozen";
    case DeployState::held: return "held";
    case DeployState::withdrawn: return "withdrawn";
    case DeployState::superseded: return "superseded";
    case DeployState::rollback_failed: return "rollback_failed";
  }
  return "unknown";
}

}  // namespace serin::core
