#include "aggregator/core/judge/placebo_count.h"

#include <utility>

#include "aggregator/core/judge/count_metric.h"

namespace serin::judge {

PlaceboCount::PlaceboCount(const CountFamily& family, const Scope& scope, size_t baseline_hosts,
                           double alpha)
    : family_(family),
      host_(scope.hosts.front()),
      plan_(count_options(family, scope, baseline_hosts, alpha)),
      detector_(plan_, family.settings().least_share) {}

void PlaceboCount::step(const StepView& view, std::span<const size_t> rows) {
  const CountSettings& settings = family_.settings();
  Counts counts{.unbounded = settings.law == Law::poisson};
  Offset offset{.shift = family_.shift()};
  if (view.comparable && !rows.empty()) {
    counts.canary = family_.canary(rows.front()).requests;
    counts.canary_bad = family_.canary(rows.front()).bad;
  }
  if (counts.canary > 0) {
    counts.baseline = family_.baseline_requests();
    counts.baseline_bad = family_.baseline_bad();
  }
  if (settings.mirrored) {
    std::swap(counts.canary, counts.baseline);
    std::swap(counts.canary_bad, counts.baseline_bad);
    offset.shift = -offset.shift;
  }
  detector_.step(counts, offset);
}

Finding PlaceboCount::finding() const {
  Finding f;
  f.metric = family_.settings().metric;
  f.edge_seconds = family_.settings().edge_seconds;
  f.host = host_;
  f.process = name(detector_.process());
  f.log_evidence = detector_.log_evidence();
  f.threshold = detector_.threshold();
  f.fired = detector_.fired();
  f.spread = plan_.options.null.s;
  return f;
}

}  // namespace serin::judge
