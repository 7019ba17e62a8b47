#include "aggregator/core/judge/effect_interval.h"

#include <algorithm>
#include <cmath>

namespace serin::judge {
namespace {

const double kLogOdds = std::log(20.0);  // 95 %

}  // namespace

EffectInterval::EffectInterval(const CountPlan& plan) {
  const NullModel& null = plan.options.null;
  temper_per_information_ =
      null.s_fast * null.s_fast * plan.options.noise_seconds / plan.options.seconds_per_step;
  for (size_t j = 0; j < CountPlan::kFar; ++j) {
    u_[j] = 2 * null.centre - plan.u[CountPlan::kGrid - 1 - j];  // mirrored at the centre
  }
  std::copy(plan.u.begin(), plan.u.end(), u_.begin() + CountPlan::kFar);
  for (size_t j = 0; j < kGrid; ++j) odds_[j] = std::exp(u_[j]);
}

void EffectInterval::step(const Counts& counts) {
  const Branch branch(counts);
  if (branch.trials <= 0) return;
  const double temper = 1 / (1 + branch.information() * temper_per_information_);
  double top = -HUGE_VAL;
  for (size_t j = 0; j < kGrid; ++j) {
    log_likelihood_[j] += temper * (counts.canary_bad * u_[j] - branch.cumulant(odds_[j]));
    top = std::max(top, log_likelihood_[j]);
  }
  for (double& l : log_likelihood_) l -= top;
}

size_t EffectInterval::best() const {
  return static_cast<size_t>(std::max_element(log_likelihood_.begin(), log_likelihood_.end()) -
                             log_likelihood_.begin());
}

double EffectInterval::cut() const {
  double sum = 0;
  for (const double l : log_likelihood_) sum += std::exp(l);
  return std::log(sum / static_cast<double>(kGrid)) - kLogOdds;
}

std::optional<double> EffectInterval::estimate() const {
  const size_t j = best();
  if (j == 0 || j + 1 == kGrid) return std::nullopt;
  // Top of the parabola through the best point and its neighbours.
  const double a = u_[j] - u_[j - 1], b = u_[j + 1] - u_[j];
  const double left = log_likelihood_[j] - log_likelihood_[j - 1];
  const double right = log_likelihood_[j] - log_likelihood_[j + 1];
  const double denominator = left * b + right * a;
  if (denominator <= 0) return std::nullopt;  // no data: all equal
  return u_[j] + 0.5 * (left * b * b - right * a * a) / denominator;
}

double EffectInterval::cross(size_t inside, size_t outside, double at) const {
  const double from = log_likelihood_[inside], to = log_likelihood_[outside];
  return u_[inside] + (u_[outside] - u_[inside]) * (from - at) / (from - to);
}

std::optional<double> EffectInterval::low() const {
  const double at = cut();
  size_t j = best();
  while (j > 0 && log_likelihood_[j] > at) --j;
  if (log_likelihood_[j] > at) return std::nullopt;
  return cross(j + 1, j, at);
}

std::optional<double> EffectInterval::high() const {
  const double at = cut();
  size_t j = best();
  while (j + 1 < kGrid && log_likelihood_[j] > at) ++j;
  if (log_likelihood_[j] > at) return std::nullopt;
  return cross(j - 1, j, at);
}

}  // namespace serin::judge
