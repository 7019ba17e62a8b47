#include "aggregator/core/judge/count_metric.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace serin::judge {
namespace {

NullModel null_of(const CountFamily& family, const Scope& scope, size_t baseline_hosts) {
  NullModel null = widened(family.spread().null_for(scope.hosts, baseline_hosts),
                           family.settings().widening);
  if (family.settings().mirrored) null.centre = -null.centre;
  return null;
}

}  // namespace

CountOptions count_options(const CountFamily& family, const Scope& scope, size_t baseline_hosts,
                           double alpha) {
  return {.alpha = alpha,
          .null = null_of(family, scope, baseline_hosts),
          .margin = family.settings().margin,
          .seconds_per_step = family.settings().seconds_per_step};
}

void mirror(Counts& counts, Offset& offset) {
  std::swap(counts.canary, counts.baseline);
  std::swap(counts.canary_bad, counts.baseline_bad);
  offset.shift = -offset.shift;
}

Finding finding_of(const CountFamily& family, std::optional<uint32_t> host, const CountPlan& plan,
                   const Detector& detector) {
  Finding f;
  f.metric = family.settings().metric;
  f.edge_seconds = family.settings().edge_seconds;
  f.host = host;
  f.process = name(detector.process());
  f.log_evidence = detector.log_evidence();
  f.threshold = detector.threshold();
  f.fired = detector.fired();
  f.spread = plan.options.null.s;
  return f;
}

CountMetric::CountMetric(const CountFamily& family, const Scope& scope, size_t baseline_hosts,
                         double alpha)
    : family_(family),
      host_(scope.host),
      plan_(count_options(family, scope, baseline_hosts, alpha)),
      detector_(plan_, family.settings().least_share),
      interval_(plan_),
      foresight_(plan_, family.settings().least_share, family.settings().effects,
                 family.settings().must_see),
      early_(plan_, family.settings().early_limit) {}

void CountMetric::step(const StepView& view, std::span<const size_t> rows) {
  Counts counts;
  Offset offset{.shift = family_.shift()};
  double faded = 0;
  if (view.comparable) {
    for (const size_t row : rows) {
      const auto& host = family_.canary(row);
      counts.canary += host.requests;
      counts.canary_bad += host.bad;
      faded += host.requests * std::exp(host.fade);
    }
  }
  if (counts.canary > 0) {
    counts.baseline = family_.baseline_requests();
    counts.baseline_bad = family_.baseline_bad();
    offset.fade = std::log(faded / counts.canary);  // a pool of mixed ages
    fade_ = offset.fade;
  }
  total_.canary += counts.canary;
  total_.canary_bad += counts.canary_bad;
  total_.baseline += counts.baseline;
  total_.baseline_bad += counts.baseline_bad;

  counts.unbounded = family_.settings().law == Law::poisson;
  if (family_.settings().mirrored) {
    mirror(counts, offset);
  } else {
    foresight_.step(counts, offset);
  }
  detector_.step(counts, offset);
  const double share = 1 / std::max(plan_.options.null.clumping, 1.0);
  const Counts tempered{.canary_bad = counts.canary_bad * share,
                        .canary = counts.canary * share,
                        .baseline_bad = counts.baseline_bad * share,
                        .baseline = counts.baseline * share,
                        .unbounded = counts.unbounded};
  interval_.step(tempered);
  early_.step(tempered, offset.shift);
}

Finding CountMetric::finding() const {
  Finding f = finding_of(family_, host_, plan_, detector_);
  if (total_.canary > 0) f.canary = family_.shown_rate(total_.canary_bad / total_.canary);
  if (total_.baseline > 0) {
    f.baseline = family_.shown_rate(total_.baseline_bad / total_.baseline);
  }
  const auto shown = [this](std::optional<double> log_odds) {
    return log_odds ? family_.shown(*log_odds) : std::nullopt;
  };
  f.effect = shown(interval_.estimate());
  f.effect_low = shown(interval_.low());
  f.effect_high = shown(interval_.high());
  // Where lower is worse, more log odds are a smaller ratio.
  if (f.effect_low && f.effect_high && *f.effect_low > *f.effect_high) {
    std::swap(f.effect_low, f.effect_high);
  }
  f.visible_effect = foresight_.visible_effect();
  if (const auto next = family_.settings().mirrored ? std::nullopt : foresight_.next()) {
    f.next_effect = next->shown;
    f.seconds_to_next_effect = next->seconds;
  }
  if (asks_at_end()) {
    f.seconds_to_must_see = foresight_.seconds_to_must_see();
    f.must_see = family_.settings().must_see_text;
  }
  f.warmup_margin = shown(fade_);
  f.history_assumed = family_.spread().assumed();
  return f;
}

bool CountMetric::asks_at_end() const {
  const Effect& must_see = family_.settings().must_see;
  return must_see.log_odds > 0 || must_see.added_share > 0;
}

std::optional<std::string> CountMetric::half_way() const {
  const auto& stream = detector_.stream();
  for (size_t i = 0; i < kProcesses; ++i) {
    const auto p = static_cast<Process>(i);
    if (stream.log_evidence(p) > 0.5 * stream.threshold(p)) {
      return fmt::format("{} may be worse: evidence {:.0f} : 1, half way to a rollback ({})",
                         family_.settings().metric,
                         std::exp(std::min(stream.log_evidence(p), 60.0)), name(p));
    }
  }
  return std::nullopt;
}

std::optional<std::string> CountMetric::against_early_pass() const {
  if (auto half = half_way()) return half;
  const auto& s = family_.settings();
  if (s.early_limit <= 0) return std::nullopt;
  if (!early_.possible()) {
    return fmt::format(
        "{}: hosts differ too much by nature to show {} with so few canary hosts; "
        "the end of the window decides",
        s.metric, s.early_limit_text);
  }
  if (!early_.shown()) {
    return fmt::format("{}: {} is not shown yet: {:.1f} : 1, needs 20 : 1", s.metric,
                       s.early_limit_text, std::exp(early_.log_evidence()));
  }
  return std::nullopt;
}

std::optional<std::string> CountMetric::against_pass_at_end() const {
  if (auto half = half_way()) return half;
  if (!asks_at_end() || foresight_.must_see_visible()) return std::nullopt;
  const auto& s = family_.settings();
  if (total_.canary <= 0) return fmt::format("{}: no requests on the canary hosts", s.metric);
  const auto left = foresight_.seconds_to_must_see();
  if (!left) {
    return fmt::format(
        "{}: {} would not have been seen by now, and this traffic does not tell when "
        "it would; more requests or more canary hosts are needed",
        s.metric, s.must_see_text);
  }
  return fmt::format("{}: {} would not have been seen by now; about {:.0f} s more at this traffic",
                     s.metric, s.must_see_text, std::ceil(*left));
}

}  // namespace serin::judge
