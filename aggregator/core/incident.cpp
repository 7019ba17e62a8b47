#include <fmt/format.h>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

// Trouble on hosts that do not run the deploy: reported, and never blamed on it. Rules of thumb, since
// they decide nothing: the judge compares both cohorts within the same second and needs no such alarm.

namespace serin::core {
namespace {

constexpr uint64_t kLeastErrors = 20, kLeastTimed = 200;  // in the window, or it is noise
constexpr double kTimesHistory = 5, kLeastRate = 0.005;
constexpr double kSlowShare = 0.30;  // a tenth is usual; about what half as much latency again makes of it

struct Trouble {
  const char* metric;
  std::string text;
};

std::optional<Trouble> failing(const Deploy& deploy) {
  uint64_t requests = 0, errors = 0;
  for (const auto& s : deploy.baseline_recent) requests += s.requests, errors += s.errors;
  if (deploy.history_error_rate <= 0 || errors < kLeastErrors || requests == 0) return std::nullopt;
  const double rate = static_cast<double>(errors) / static_cast<double>(requests);
  if (rate < kLeastRate || rate < kTimesHistory * deploy.history_error_rate) return std::nullopt;
  return Trouble{"errors", fmt::format("errors {} on hosts that do not run {} ({} before)",
                                       words_percent(rate), deploy.version,
                                       words_percent(deploy.history_error_rate))};
}

std::optional<Trouble> slow(const Deploy& deploy) {
  uint64_t timed = 0, above = 0;
  for (const auto& s : deploy.baseline_recent) timed += s.timed, above += s.slow;
  if (timed < kLeastTimed) return std::nullopt;
  const double share = static_cast<double>(above) / static_cast<double>(timed);
  if (share < kSlowShare) return std::nullopt;
  return Trouble{"latency_p90",
                 fmt::format("{} of requests on hosts that do not run {} take longer than {} (10 % before)",
                             words_percent(share), deploy.version,
                             words_latency(ExpHistogram::upper_bound(deploy.history_slow_bucket)))};
}

}  // namespace

void Fold::State::watch_fleet(Deploy& deploy, int64_t second) {
  if (deploy.incident_told) return;
  auto trouble = failing(deploy);
  if (!trouble) trouble = slow(deploy);
  if (!trouble) return;
  deploy.incident_told = true;
  const std::string text = fmt::format(
      "{}: {}: the whole fleet is in trouble; the deploy that started just before is not blamed for it",
      deploy.service, trouble->text);
  deploy.note((second + 1) * kSecondUs, "fleet_incident", "", text);
  Decision decision = decision_of(deploy, DecisionKind::incident);
  decision.reason = Reason{.kind = ReasonKind::none, .metric = trouble->metric, .text = text};
  emit(std::move(decision));
  tell("fleet_incident", deploy, text);
}

}  // namespace serin::core
