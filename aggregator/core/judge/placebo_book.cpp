#include "aggregator/core/judge/placebo_book.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace serin::judge {
namespace {

double widening_of(int steps) {
  return std::pow(PlaceboBook::kWiden, steps);
}

std::string host_words(uint64_t fired, uint64_t tried) {
  return fmt::format("it fired on {} of {} untouched hosts in the last hour", fired, tried);
}

}  // namespace

void PlaceboBook::ended(const PlaceboRun& run, int64_t round_seconds, int64_t at_seconds) {
  for (const auto& shown : run.metrics) {
    Metric& metric = metrics_[shown.name];
    Trial trial{.at = at_seconds, .host = run.host, .fired = {}};
    if (shown.fired_step) {
      trial.fired =
          round_seconds + *shown.fired_step * static_cast<int64_t>(PlaceboRound::kStepSeconds);
    }
    ++metric.runs;
    metric.fired += trial.fired ? 1 : 0;
    metric.trials.push_back(trial);
  }
}

// Since the last change, as what was before was judged by another spread. Events: firings of one
// moment are one, whatever it was that happened to the fleet; and a host counts once, as one that
// is ill for an hour tells nothing about the others.
PlaceboBook::Tally PlaceboBook::tally(const Metric& metric) {
  Tally out;
  std::vector<std::pair<int64_t, uint32_t>> fired;
  for (const Trial& trial : metric.trials) {
    if (trial.at <= metric.changed) continue;
    ++out.runs;
    if (trial.fired) fired.emplace_back(*trial.fired, trial.host);
  }
  std::ranges::sort(fired);
  std::set<uint32_t> counted;
  std::optional<int64_t> last;
  for (const auto& [at, host] : fired) {
    if (!counted.insert(host).second) continue;
    if (last && at - *last <= kTogetherSeconds) continue;
    last = at;
    ++out.events;
  }
  return out;
}

std::optional<TrustChange> PlaceboBook::judge(const std::string& name, Metric& metric, int64_t at) {
  while (!metric.trials.empty() && metric.trials.front().at <= at - kHourSeconds) {
    metric.trials.pop_front();
  }
  const auto [runs, events] = tally(metric);
  const double may_fire = std::max(1.0, kShare * static_cast<double>(runs));
  if (static_cast<double>(events) > may_fire) {
    std::set<uint32_t> tried, fired;
    for (const Trial& trial : metric.trials) {
      tried.insert(trial.host);
      if (trial.fired) fired.insert(trial.host);
    }
    metric.steps = std::min(metric.steps + 1, kMostSteps);
    metric.advisory = true;
    metric.why = host_words(fired.size(), tried.size());
  } else if (metric.steps > 0 && runs > 0 && at - metric.changed >= kHourSeconds) {
    if (!metric.advisory) --metric.steps;
    metric.advisory = false;
    metric.why = fmt::format("an hour and {} runs on untouched hosts without trouble", runs);
  } else {
    return std::nullopt;
  }
  metric.changed = at;
  return TrustChange{.metric = name,
                     .widening = widening_of(metric.steps),
                     .advisory = metric.advisory,
                     .at_seconds = at,
                     .why = metric.why};
}

std::vector<TrustChange> PlaceboBook::settle(int64_t at_seconds) {
  std::vector<TrustChange> changes;
  for (auto& [name, metric] : metrics_) {
    if (auto change = judge(name, metric, at_seconds)) changes.push_back(std::move(*change));
  }
  return changes;
}

void PlaceboBook::adopt(const TrustChange& change) {
  Metric& metric = metrics_[change.metric];
  const double steps = std::log(std::max(change.widening, 1.0)) / std::log(kWiden);
  metric.steps = std::min(static_cast<int>(std::lround(steps)), kMostSteps);
  metric.advisory = change.advisory;
  metric.changed = change.at_seconds;
  metric.why = change.why;
}

std::vector<PlaceboRecord> PlaceboBook::records(int64_t at_seconds) const {
  std::vector<PlaceboRecord> out;
  for (const auto& [name, metric] : metrics_) {
    PlaceboRecord& record = out.emplace_back();
    record.metric = name;
    record.runs = metric.runs;
    record.fired = metric.fired;
    std::set<uint32_t> tried, fired;
    for (const Trial& trial : metric.trials) {
      if (trial.at <= at_seconds - kHourSeconds) continue;
      ++record.runs_hour;
      record.fired_hour += trial.fired ? 1 : 0;
      tried.insert(trial.host);
      if (trial.fired) fired.insert(trial.host);
    }
    record.hosts_hour = tried.size();
    record.hosts_fired_hour = fired.size();
    record.widening = widening_of(metric.steps);
    record.advisory = metric.advisory;
    if (metric.advisory) record.why = metric.why;
  }
  return out;
}

std::vector<Trust> PlaceboBook::trust() const {
  std::vector<Trust> out;
  for (const auto& [name, metric] : metrics_) {
    if (metric.steps == 0 && !metric.advisory) continue;
    out.push_back(
        {.metric = name, .widening = widening_of(metric.steps), .advisory = metric.advisory});
  }
  return out;
}

}  // namespace serin::judge
