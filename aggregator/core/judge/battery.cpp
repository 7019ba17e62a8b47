#include "aggregator/core/judge/battery.h"

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/families.h"
#include "aggregator/core/judge/metric.h"

namespace serin::judge {
namespace {

constexpr size_t kLeastBaselineHosts = 2;  // below it there is no "other hosts"
constexpr double kTogetherSeconds = 10;    // hosts that join within this are one group
constexpr double kCompleteShare = 0.8;     // of a pool's alpha, once its group is complete
constexpr int kMaxFreshAges = 3;  // restarts that bring a new warm-up margin; then guardrails speak
constexpr double kNone = -1;

/// A canary host, from its joining on.
struct Canary {
  uint32_t host = 0;
  bool left = false;
  double last_age = kNone;
  int restarts = 0;
  double age_carried = 0;  ///< added to the age once fresh warm-up margins are used up
};

/// The metrics of one scope.
struct Gathering {
  Scope scope;
  double alpha_share = 1;
  double complete_from = 0;     // the group's hosts have all joined by then
  double surcharge_before = 0;  // nats beyond its threshold that a metric needs until then
  bool active = true;
  std::vector<std::unique_ptr<Metric>> metrics;  // empty until its first step
  std::vector<size_t> rows;                      // scratch
};

}  // namespace

struct Battery::State {
  Options options;
  std::vector<std::unique_ptr<Family>> families;
  std::vector<Canary> canaries;
  std::optional<Gathering> pool;
  std::vector<Gathering> hosts;
  int pools_opened = 0;  // groups, and groups that lost a host
  int pool_builds = 0;   // of the present group that saw a step, this one included
  double last_join = 0;
  bool began_alone = false;
  bool stepped = false;
  std::vector<HostStep> canary_steps;  // scratch
  std::optional<Finding> fired;
  std::vector<std::string> demoted;  // may not decide

  [[nodiscard]] bool advisory(const std::string& metric) const {
    return std::find(demoted.begin(), demoted.end(), metric) != demoted.end();
  }
  Canary* find(uint32_t host);
  double bounded_age(Canary& canary, double age) const;
  void open_pool(double at_seconds);
  void open(Gathering& g, size_t baseline_hosts);
  void step(Gathering& g, const StepView& view, double at_seconds);
  template <class F>
  void each_active(const F& f) const;
  [[nodiscard]] const Gathering* headline() const;
  [[nodiscard]] Finding finding_of(const Gathering& g, const Metric& metric) const;
  template <class Against>
  [[nodiscard]] PassAnswer pass(const Against& against) const;
};

Canary* Battery::State::find(uint32_t host) {
  const auto at = std::find_if(canaries.begin(), canaries.end(),
                               [&](const Canary& c) { return c.host == host && !c.left; });
  return at == canaries.end() ? nullptr : &*at;
}

// A process that restarts warms up again. After a few times that excuse is used up.
double Battery::State::bounded_age(Canary& canary, double age) const {
  if (canary.last_age != kNone && age < canary.last_age) {
    ++canary.restarts;
    if (canary.restarts > kMaxFreshAges) canary.age_carried += canary.last_age;
  }
  canary.last_age = age;
  return age + canary.age_carried;
}

void Battery::State::open_pool(double at_seconds) {
  Gathering next;
  for (const Canary& c : canaries) {
    if (!c.left) next.scope.hosts.push_back(c.host);
  }
  if (next.scope.hosts.size() < 2) {
    pool.reset();  // one host is its own pool
    return;
  }
  // A pool may be rebuilt while its group still gathers. Until then a fifth of its alpha speaks,
  // split 1 / (n (n + 1)) over the builds that saw a step; the rest is for the complete one.
  if (pool_builds == 0 || (pool && !pool->metrics.empty())) ++pool_builds;
  next.alpha_share = kCompleteShare * std::ldexp(1.0, -pools_opened);
  next.complete_from = at_seconds + kTogetherSeconds;
  const double n = pool_builds;
  next.surcharge_before = std::log(kCompleteShare / (1 - kCompleteShare) * n * (n + 1));
  pool = std::move(next);
}

void Battery::State::open(Gathering& g, size_t baseline_hosts) {
  for (const auto& family : families) {
    if (!family->covers(g.scope)) continue;
    g.metrics.push_back(family->open(g.scope, baseline_hosts, family->alpha() * g.alpha_share));
  }
  g.rows.reserve(g.scope.hosts.size());
}

void Battery::State::step(Gathering& g, const StepView& view, double at_seconds) {
  if (!g.active) return;
  if (g.metrics.empty()) {
    if (!view.comparable) return;
    open(g, view.baseline.size());
  }
  g.rows.clear();
  for (size_t row = 0; row < view.canary.size(); ++row) {
    const auto& members = g.scope.hosts;
    if (std::find(members.begin(), members.end(), view.canary[row].host) != members.end()) {
      g.rows.push_back(row);
    }
  }
  for (const auto& metric : g.metrics) {
    metric->step(view, g.rows);
    if (fired || !metric->fired()) continue;
    Finding finding = finding_of(g, *metric);
    const double surcharge = at_seconds < g.complete_from ? g.surcharge_before : 0;
    if (finding.log_evidence < finding.threshold + surcharge) continue;
    if (!finding.advisory) fired = std::move(finding);
  }
}

template <class F>
void Battery::State::each_active(const F& f) const {
  if (pool) f(*pool);
  for (const Gathering& g : hosts) {
    if (g.active) f(g);
  }
}

// Whose traffic answers "what would have been seen": the pool, or the only host.
const Gathering* Battery::State::headline() const {
  if (pool) return &*pool;
  for (const Gathering& g : hosts) {
    if (g.active) return &g;
  }
  return nullptr;
}

// A host that is alone is the pool, for whoever reads.
Finding Battery::State::finding_of(const Gathering& g, const Metric& metric) const {
  Finding finding = metric.finding();
  if (!pool && &g == headline()) finding.host.reset();
  finding.advisory = advisory(finding.metric);
  return finding;
}

template <class Against>
PassAnswer Battery::State::pass(const Against& against) const {
  if (fired) return {.why_not = fired->metric + " was found to be worse"};
  const Gathering* whole = headline();
  if (!whole) return {.why_not = "no canary host is left"};
  if (whole->metrics.empty()) return {.why_not = "nothing was compared yet"};
  PassAnswer answer{.pass = true, .why_not = {}};
  each_active([&](const Gathering& g) {
    for (const auto& metric : g.metrics) {
      if (!answer.pass) return;
      if (auto reason = against(*metric, &g == whole)) answer = {.pass = false, .why_not = *reason};
    }
  });
  return answer;
}

Battery::Battery(const Options& options, std::vector<HostHistory> history)
    : state_(std::make_unique<State>()) {
  state_->options = options;
  const bool past = std::ranges::any_of(history, [](const auto& host) { return !host.blocks.empty(); });
  // Without a past the first step tells whether there are latencies, before any test is opened.
  if (past) state_->families = make_families(options, history);
  for (const Trust& trust : options.trust) {
    if (trust.advisory) demote(trust.metric);
  }
}

Battery::~Battery() = default;
Battery::Battery(Battery&&) noexcept = default;
Battery& Battery::operator=(Battery&&) noexcept = default;

void Battery::join(uint32_t host, double at_seconds) {
  State& s = *state_;
  if (s.find(host)) return;
  const bool first = s.canaries.empty();
  const bool together = first || at_seconds - s.last_join <= kTogetherSeconds;
  s.last_join = at_seconds;
  s.canaries.push_back({.host = host});
  if (s.pools_opened == 0 || !together) {
    ++s.pools_opened;
    s.pool_builds = 0;
  }
  s.open_pool(at_seconds);
  Gathering& own = s.hosts.emplace_back();
  own.scope = {.hosts = {host}, .host = host};
  const double i = static_cast<double>(s.hosts.size());
  own.alpha_share = 0.5 / (i * (i + 1));
}

void Battery::leave(uint32_t host) {
  State& s = *state_;
  Canary* canary = s.find(host);
  if (!canary) return;
  canary->left = true;
  for (Gathering& g : s.hosts) {
    if (g.scope.host == host) g.active = false;
  }
  if (!s.pool) return;
  ++s.pools_opened;  // fewer hosts: another null, so another test
  s.pool_builds = 0;
  s.open_pool(s.last_join - kTogetherSeconds);
}

void Battery::step(double at_seconds, std::span<const HostStep> canary,
                   std::span<const HostStep> baseline) {
  State& s = *state_;
  if (!s.stepped && s.hosts.size() == 1)
    s.hosts.front().alpha_share = 1;  // alone: one engine, all of alpha
  if (!s.hosts.empty()) s.stepped = true;
  s.canary_steps.clear();
  for (const HostStep& step : canary) {
    Canary* known = s.find(step.host);
    if (!known) continue;
    s.canary_steps.push_back(step);
    s.canary_steps.back().age_seconds = s.bounded_age(*known, step.age_seconds);
  }
  const StepView view{.at_seconds = at_seconds,
                      .canary = s.canary_steps,
                      .baseline = baseline,
                      .comparable = baseline.size() >= kLeastBaselineHosts};
  if (s.families.empty() && view.comparable) {
    const bool latencies = std::ranges::any_of(
        baseline, [](const HostStep& host) { return host.latency && !host.latency->empty(); });
    s.families = make_families(s.options, {}, latencies);
  }
  for (const auto& family : s.families) family->observe(view);
  if (s.pool) s.step(*s.pool, view, at_seconds);
  for (Gathering& g : s.hosts) s.step(g, view, at_seconds);
}

void Battery::demote(std::string_view metric) {
  constexpr std::string_view kWhole = "latency_shape";  // reads the same requests as the edges do
  auto& demoted = state_->demoted;
  const auto add = [&](std::string_view name) {
    if (!state_->advisory(std::string(name))) demoted.emplace_back(name);
  };
  add(metric);
  if (metric.starts_with("latency_")) add(kWhole);
}

const Finding* Battery::fired() const {
  return state_->fired ? &*state_->fired : nullptr;
}

std::vector<Finding> Battery::findings() const {
  std::vector<Finding> out;
  state_->each_active([&](const Gathering& g) {
    for (const auto& metric : g.metrics) {
      if (metric->shown()) out.push_back(state_->finding_of(g, *metric));
    }
  });
  return out;
}

PassAnswer Battery::pass_early() const {
  return state_->pass([](const Metric& metric, bool whole) {
    return whole ? metric.against_early_pass() : metric.half_way();
  });
}

PassAnswer Battery::pass_at_end() const {
  return state_->pass([](const Metric& metric, bool whole) {
    return whole ? metric.against_pass_at_end() : metric.half_way();
  });
}

}  // namespace serin::judge
