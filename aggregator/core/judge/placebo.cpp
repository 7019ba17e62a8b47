#include "aggregator/core/judge/placebo.h"

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/families.h"

namespace serin::judge {
namespace {

Options untouched(Options options) {
  options.placebo = true;
  options.step_seconds = PlaceboRound::kStepSeconds;
  options.warmup_factor_errors = options.warmup_factor_latency = 1;  // nothing warms up
  options.warmup.reset();
  return options;
}

/// One host's turn.
struct Run {
  Scope scope;
  struct Test {
    Family* family;
    std::unique_ptr<Metric> metric;
  };
  std::vector<Test> tests;
  PlaceboRun result;
  size_t steps = 0;
};

}  // namespace

struct PlaceboRound::State {
  std::vector<std::unique_ptr<Family>> families;
  std::vector<uint32_t> waiting;  // last one first
  std::vector<std::unique_ptr<Run>> running;
  std::vector<PlaceboRun> ended;
  size_t steps_per_run = 60;
  int64_t step_number = -1;
  std::vector<HostStep> hosts;  // scratch, with the ages of runs

  void start_some();
  void set_ages();
  void step(Run& run, const StepView& view);
};

PlaceboRound::PlaceboRound(Options options, std::vector<HostHistory> history,
                           std::vector<uint32_t> candidates)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  options = untouched(std::move(options));
  s.steps_per_run =
      std::max<size_t>(1, static_cast<size_t>(std::lround(options.window_seconds / kStepSeconds)));
  s.families = make_families(options, history);
  s.waiting.assign(candidates.rbegin(), candidates.rend());
}

PlaceboRound::~PlaceboRound() = default;
PlaceboRound::PlaceboRound(PlaceboRound&&) noexcept = default;
PlaceboRound& PlaceboRound::operator=(PlaceboRound&&) noexcept = default;

void PlaceboRound::State::start_some() {
  for (size_t started = 0; started < kStartsPerStep && !waiting.empty(); ++started) {
    auto run = std::make_unique<Run>();
    const uint32_t host = waiting.back();
    waiting.pop_back();
    run->scope = {.hosts = {host}, .host = host};
    run->result.host = host;
    for (const auto& family : families) {
      if (!family->covers(run->scope)) continue;
      auto metric = family->open(run->scope, hosts.size() - 1, family->alpha());
      run->result.metrics.push_back({.name = metric->finding().metric});
      run->tests.push_back({family.get(), std::move(metric)});
    }
    running.push_back(std::move(run));
  }
}

// A leak is looked for at ages, which here count from the start of the run.
void PlaceboRound::State::set_ages() {
  for (const auto& run : running) {
    const auto at = std::ranges::find(hosts, run->result.host, &HostStep::host);
    if (at != hosts.end()) at->age_seconds = kStepSeconds * static_cast<double>(run->steps);
  }
}

void PlaceboRound::State::step(Run& run, const StepView& view) {
  const auto at = std::ranges::find(hosts, run.result.host, &HostStep::host);
  const auto row = static_cast<size_t>(at - hosts.begin());
  const bool present = at != hosts.end();
  for (size_t i = 0; i < run.tests.size(); ++i) {
    auto& [family, metric] = run.tests[i];
    if (present) family->set_apart(view, row);
    metric->step(view, present ? std::span<const size_t>(&row, 1) : std::span<const size_t>{});
    PlaceboRun::Metric& shown = run.result.metrics[i];
    if (!metric->fired() || shown.fired_step) continue;
    shown.fired_step = step_number;
    shown.process = metric->finding().process;
  }
  ++run.steps;
}

void PlaceboRound::step(std::span<const HostStep> hosts) {
  State& s = *state_;
  ++s.step_number;
  s.ended.clear();
  s.hosts.assign(hosts.begin(), hosts.end());
  const bool comparable = hosts.size() >= kLeastHosts;
  if (comparable) s.start_some();
  s.set_ages();
  const StepView view{.at_seconds = kStepSeconds * static_cast<double>(s.step_number + 1),
                      .canary = s.hosts,
                      .baseline = s.hosts,
                      .comparable = comparable,
                      .each_apart = true};
  for (const auto& family : s.families) family->observe(view);
  for (const auto& run : s.running) s.step(*run, view);
  std::erase_if(s.running, [&](const auto& run) {
    if (run->steps < s.steps_per_run) return false;
    s.ended.push_back(std::move(run->result));
    return true;
  });
}

void PlaceboRound::cancel(uint32_t host) {
  std::erase(state_->waiting, host);
  std::erase_if(state_->running, [&](const auto& run) { return run->result.host == host; });
}

std::span<const PlaceboRun> PlaceboRound::ended() const {
  return state_->ended;
}

bool PlaceboRound::over() const {
  return state_->running.empty() && state_->waiting.empty();
}

}  // namespace serin::judge
