#include "aggregator/core/judge/early_pass.h"

#include <algorithm>
#include <cmath>

namespace serin::judge {
namespace {

constexpr double kOneSided95 = 1.645;
constexpr double kLeastRoom = 0.02;  // log odds between the usual and the limit less spread
constexpr std::array<double, 5> kFractions = {0.25, 0.5, 0.75, 1, 1.5};

}  // namespace

EarlyPass::EarlyPass(const CountPlan& plan, double limit) {
  const NullModel& null = plan.options.null;
  limit_ = null.centre + limit - kOneSided95 * null.s_slow;
  const double room = limit_ - null.centre;
  possible_ = room >= kLeastRoom;
  temper_per_information_ =
      null.s_fast * null.s_fast * plan.options.noise_seconds / plan.options.seconds_per_step;
  for (size_t i = 0; i < kAlternatives; ++i) below_[i] = limit_ - kFractions[i] * room;
}

void EarlyPass::step(const Counts& counts, double shift) {
  const Branch branch(counts);
  if (!possible_ || branch.trials <= 0) return;
  const double temper = 1 / (1 + branch.information() * temper_per_information_);
  const double at_limit = branch.cumulant(std::exp(limit_ + shift));
  for (size_t i = 0; i < kAlternatives; ++i) {
    log_likelihood_[i] += temper * (counts.canary_bad * (below_[i] - limit_) -
                                    (branch.cumulant(std::exp(below_[i] + shift)) - at_limit));
  }
  highest_ = std::max(highest_, log_evidence());
}

double EarlyPass::log_evidence() const {
  const double top = *std::max_element(log_likelihood_.begin(), log_likelihood_.end());
  double sum = 0;
  for (const double l : log_likelihood_) sum += std::exp(l - top);
  return top + std::log(sum / static_cast<double>(kAlternatives));
}

double EarlyPass::threshold() {
  return std::log(20.0);
}

}  // namespace serin::judge
