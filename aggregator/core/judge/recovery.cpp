#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/battery.h"
#include "aggregator/core/judge/count_plan.h"

namespace serin::judge {
namespace {

constexpr std::array<double, 5> kFractions = {0.25, 0.5, 0.75, 1,
                                              1.5};  // of the way from sick to usual
constexpr double kUsualShareWhenNone = 0.0005;
constexpr double kWellFromTheStart =
    0.5;  // the rest of the prior: hosts that get well during the watch
constexpr double kHorizonSteps = 120;  // recovery is decided by 120 s
constexpr double kMaxSum = 1e30;
constexpr double kLeastRatio = 1.05;  // at 1 there would be nothing to tell apart

}  // namespace

Recovery::Recovery(double still_bad_ratio, double alpha, double still_bad_rate)
    : ratio_log_odds_(std::log(std::max(still_bad_ratio, kLeastRatio))),
      rate_(std::clamp(still_bad_rate > 0 ? still_bad_rate : still_bad_ratio * kUsualShareWhenNone,
                       1e-6, 0.95)),
      threshold_(-std::log(alpha)),
      rest_(1 - kWellFromTheStart) {
  // Half of the weight each: a mean of e-values under one null is an e-value.
  by_ratio_.fill(0.5 * kWellFromTheStart / static_cast<double>(kAlternatives));
  by_rate_ = by_ratio_;
}

void Recovery::step(double canary_requests, double canary_errors, double baseline_requests,
                    double baseline_errors) {
  const Branch branch({.canary_bad = canary_errors,
                       .canary = canary_requests,
                       .baseline_bad = baseline_errors,
                       .baseline = baseline_requests});
  const double prior = std::min((1 - kWellFromTheStart) / kHorizonSteps, rest_);
  rest_ -= prior;
  const double start = 0.5 * prior / static_cast<double>(kAlternatives);
  const double sick = branch.cumulant(std::exp(ratio_log_odds_));
  const double good = std::max(canary_requests - canary_errors, 0.0);
  double sum = rest_;
  const auto grow = [&](double& mass, double gain) {
    mass = std::min((mass + start) * std::exp(std::min(gain, 300.0)), kMaxSum);
    sum += mass;
  };
  for (size_t i = 0; i < kAlternatives; ++i) {
    const double u = ratio_log_odds_ * (1 - kFractions[i]);
    grow(by_ratio_[i],
         canary_errors * (u - ratio_log_odds_) - (branch.cumulant(std::exp(u)) - sick));
    const double share = rate_ * std::exp(-2 * kFractions[i]);
    grow(by_rate_[i], canary_errors * std::log(share / rate_) +
                          good * (std::log1p(-share) - std::log1p(-rate_)));
  }
  now_ = std::log(sum);
  highest_ = std::max(highest_, now_);
}

}  // namespace serin::judge
