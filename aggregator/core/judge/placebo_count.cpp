#include "aggregator/core/judge/placebo_count.h"

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
  if (settings.mirrored) mirror(counts, offset);
  detector_.step(counts, offset);
}

Finding PlaceboCount::finding() const {
  return finding_of(family_, host_, plan_, detector_);
}

}  // namespace serin::judge
