#include "agent/sampler/phase.h"

namespace serin::agent {

void PhaseTracker::started(uint64_t start_us, uint64_t now_us) {
  start_us_ = start_us;
  bool young = now_us < start_us + kStartingUs;
  phase_ = has_requests_ && young ? Phase::starting : Phase::serving;
}

Phase PhaseTracker::observe(uint64_t now_us, uint64_t answered, uint64_t failed) {
  if (phase_ != Phase::starting && phase_ != Phase::not_serving) return phase_;
  if (answered > 0) {
    // The interval that holds the first answer still holds what failed before it: it counts as
    // starting, whole.
    Phase before = phase_;
    phase_ = Phase::serving;
    return before;
  }
  if (phase_ == Phase::starting && now_us >= start_us_ + kStartingUs)
    phase_ = failed > 0 ? Phase::not_serving : Phase::serving;
  return phase_;
}

}  // namespace serin::agent
