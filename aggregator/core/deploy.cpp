#include "aggregator/core/deploy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace serin::core {

Canary* Deploy::find(uint32_t host) {
  auto it = std::ranges::find(canaries, host, &Canary::host);
  return it == canaries.end() ? nullptr : &*it;
}

size_t Deploy::present() const {
  return static_cast<size_t>(std::ranges::count(canaries, false, &Canary::left));
}

void Deploy::note(int64_t at_us, std::string kind, std::string host, std::string text) {
  if (timeline.size() >= kMaxTimeline) return;
  timeline.push_back({at_us, std::move(kind), std::move(host), std::move(text)});
}

std::string words_percent(double share) {
  const double percent = share * 100;
  if (percent != 0 && percent < 0.1) return fmt::format("{:.3f} %", percent);
  return fmt::format("{:.1f} %", percent);
}

namespace {

/// A metric's value with its unit.
std::string words_value(const std::string& metric, double value) {
  if (metric == "rss_bytes") return fmt::format("{:.1f} MB", value / 1e6);
  if (metric == "latency_shape") return fmt::format("p90 {:.1f} ms", value * 1e3);
  if (metric == "cpu_per_request") return fmt::format("{:.2f} ms", value * 1e3);
  if (metric == "restarts") return fmt::format("{:.1f} an hour", value * 3600);
  if (metric == "fds" || metric == "threads") return fmt::format("{:.0f}", value);
  return words_percent(value);
}

}  // namespace

std::string words_compared(const std::string& metric, double canary, double baseline,
                           std::optional<double> edge_seconds) {
  const std::string ours = words_value(metric, canary), theirs = words_value(metric, baseline);
  if (!edge_seconds) return fmt::format("{} {} against {}", metric, ours, theirs);
  return fmt::format("{}: {} of requests slower than {:.3g} ms against {}", metric, ours, *edge_seconds * 1e3,
                     theirs);
}

std::string words_evidence(const Reason& reason, std::optional<double> edge_seconds, size_t baseline_hosts) {
  std::string text = reason.metric;
  if (reason.canary && reason.baseline) {
    text = words_compared(reason.metric, *reason.canary, *reason.baseline, edge_seconds) +
           fmt::format(" on {} host{}", baseline_hosts, baseline_hosts == 1 ? "" : "s");
  }
  if (reason.log_evidence) {
    const double odds = std::exp(std::min(*reason.log_evidence, std::log(1e9)));
    text += fmt::format(", certain {}{:.0f} : 1", *reason.log_evidence > std::log(1e9) ? "> " : "",
                        odds);
  }
  return text;
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
  return fmt::format("{} host{} back on {} in {:.1f} s, verified; {} requests hurt", back,
                     back == 1 ? "" : "s", target, static_cast<double>(slowest_us) / 1e6,
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
