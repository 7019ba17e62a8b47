#include "aggregator/core/judge/floor_test.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace serin::judge {
namespace {

constexpr double kWorseFromTheStart = 0.5;
constexpr double kMaxSum = 1e30;
constexpr double kMaxShare = 0.95;  // an alternative of "all fail" would be refuted by one success

}  // namespace

FloorTest::FloorTest(double limit, double seconds_per_step, double horizon_seconds)
    : prior_((1 - kWorseFromTheStart) * seconds_per_step / horizon_seconds),
      rest_(1 - kWorseFromTheStart) {
  if (limit <= 0) {
    highest_ = std::numeric_limits<double>::infinity();
    return;
  }
  sum_.fill(kWorseFromTheStart / static_cast<double>(kAlternatives));
  for (size_t j = 0; j < kAlternatives; ++j) {
    const double share =
        std::max(std::min(limit * std::exp(CountPlan::kSteps[j]), kMaxShare), limit);
    bad_gain_[j] = std::log(share / limit);
    good_gain_[j] = share > limit ? std::log1p(-share) - std::log1p(-limit) : 0;
  }
}

void FloorTest::step(double requests, double bad) {
  const double prior = std::min(prior_, rest_);
  rest_ -= prior;
  const double good = std::max(requests - bad, 0.0);
  double total = rest_;
  for (size_t j = 0; j < kAlternatives; ++j) {
    const double gain = bad * bad_gain_[j] + good * good_gain_[j];
    // The exponent is bounded for the arithmetic's sake only.
    const double grown =
        (sum_[j] + prior / static_cast<double>(kAlternatives)) * std::exp(std::min(gain, 300.0));
    sum_[j] = std::min(grown, kMaxSum);
    total += sum_[j];
  }
  highest_ = std::max(highest_, std::log(total + 1e-300));
}

}  // namespace serin::judge
