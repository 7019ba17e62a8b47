#include "aggregator/core/judge/detector.h"

#include <algorithm>

namespace serin::judge {

Detector::Detector(const CountPlan& plan, double least_share)
    : clumping_(std::max(plan.options.null.clumping, 1.0)),
      stream_(plan),
      floor_(least_share, plan.options.seconds_per_step, plan.options.horizon_seconds) {}

void Detector::step(const Counts& c, const Offset& offset) {
  bad_ += c.canary_bad;
  bad_steps_ += std::min(c.canary_bad, 1.0);  // expected counts are fractions
  const double share = 1 / clumping_;
  stream_.step({.canary_bad = c.canary_bad * share,
                .canary = c.canary * share,
                .baseline_bad = c.baseline_bad * share,
                .baseline = c.baseline * share,
                .unbounded = c.unbounded},
               offset);
  floor_.step(c.canary * share, c.canary_bad * share);
  if (fired_ || bad_ < kLeastBad || bad_steps_ < kLeastSteps) return;
  for (size_t i = 0; i < kProcesses; ++i) {
    const auto p = static_cast<Process>(i);
    // The null is "no worse than the margin, or below the floor": each is refuted when its own test
    // has crossed.
    if (stream_.highest(p) < stream_.threshold(p) || floor_.highest() < stream_.threshold(p))
      continue;
    if (fired_ && stream_.highest(p) - stream_.threshold(p) <=
                      stream_.highest(*fired_) - stream_.threshold(*fired_))
      continue;
    fired_ = p;
  }
  if (fired_) fired_evidence_ = stream_.highest(*fired_);
}

double Detector::log_evidence() const {
  // What has fired stays fired; later evidence may only add to it.
  return fired_ ? std::max(fired_evidence_, stream_.log_evidence(*fired_))
                : stream_.log_evidence(stream_.nearest());
}

double Detector::progress() const {
  if (fired_) return 1;
  double best = 0;
  for (size_t i = 0; i < kProcesses; ++i) {
    const auto p = static_cast<Process>(i);
    best = std::max(best, std::min(stream_.highest(p), floor_.highest()) / stream_.threshold(p));
  }
  return std::clamp(std::min({best, bad_ / kLeastBad, bad_steps_ / kLeastSteps}), 0.0, 1.0);
}

}  // namespace serin::judge
