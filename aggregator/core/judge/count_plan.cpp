#include "aggregator/core/judge/count_plan.h"

#include <algorithm>

#include "aggregator/core/judge/distributions.h"

namespace serin::judge {
namespace {

// Shares of a stream's alpha. `kSpreadShare` is the chance that the true difference lies outside
// the spread allowed.
constexpr double kSpreadShare = 0.25;
constexpr std::array<double, kProcesses> kShare = {0.45, 0.05, 0.15, 0.10};
constexpr double kMaxProcessAlpha = 0.3;  // beyond it "twice the evidence" would be no evidence
constexpr double kNoiseTau = 20;          // s, correlation time of host noise
// Most to the first: what breaks at once should be found while the warm-up margin still stands.
constexpr std::array<double, CountPlan::kStarts> kFreshWeights = {0.8, 0.05, 0.05, 0.05, 0.05};
constexpr double kRounding =
    1e-9;  // two steps at the cap reach the threshold whatever the rounding

double prior_of_effect(double v) {
  return 0.7 * std::exp(-v) + 0.3 / CountPlan::kTop;
}

void normalise(std::array<double, CountPlan::kGrid>& w) {
  double sum = 0;
  for (const double x : w) sum += x;
  for (double& x : w) x /= sum;
}

}  // namespace

const char* name(Process p) {
  constexpr std::array<const char*, kProcesses> names = {"RE", "BND", "SRS", "SRF"};
  return names[static_cast<size_t>(p)];
}

std::array<double, CountPlan::kGrid> effect_grid(double s, double top) {
  std::array<double, CountPlan::kGrid> v;
  for (size_t j = 0; j < CountPlan::kNear; ++j) v[j] = (static_cast<double>(j) - 8) * 0.5 * s;
  const double ratio = std::pow(top / (4 * s), 1.0 / static_cast<double>(CountPlan::kFar));
  for (size_t j = 0; j < CountPlan::kFar; ++j) {
    v[CountPlan::kNear + j] = 4 * s * std::pow(ratio, static_cast<double>(j + 1));
  }
  return v;
}

CountPlan::CountPlan(const CountOptions& o) : options(o) {
  const NullModel& null = o.null;
  const auto v = effect_grid(null.s, kTop);
  const auto width = cell_widths(v);
  for (size_t j = 0; j < kGrid; ++j) {
    u[j] = v[j] + null.centre;
    odds[j] = std::exp(u[j]);
    const bool dont_care = v[j] > 0 && v[j] <= o.margin;
    null_weight[j] =
        student_density(dont_care ? 0 : v[j] / null.s, null.degrees) * width[j] + 1e-300;
    worse_weight[j] = v[j] > std::max(o.margin, 1e-9) ? prior_of_effect(v[j]) * width[j] : 0;
  }
  normalise(null_weight);
  normalise(worse_weight);
  if (o.fresh_starts) {
    starts = kStarts;
    start_weight = kFreshWeights;
  }

  const double alpha = o.alpha;
  for (size_t p = 0; p < kProcesses; ++p) {
    threshold[p] = -std::log(std::min(alpha * kShare[p], kMaxProcessAlpha));
  }
  const double half = o.cap_factor * (0.5 * threshold[0] + kRounding);
  cap = {half, half, half, 0};
  // A late start must first pay for its prior.
  cap[3] = o.cap_factor * (0.5 * (threshold[3] + std::log(o.horizon_seconds)) + kRounding);

  const double outside = std::min(alpha * kSpreadShare, kMaxProcessAlpha);
  const double t = student_upper_quantile(outside, null.degrees);
  const double z = normal_upper_quantile(std::min(outside * kNoiseTau / o.horizon_seconds, 0.5));
  const auto at = [&](double spread) { return null.centre + std::max(o.margin, spread); };
  bound[1] = at(t * null.s);
  bound[2] = at(t * null.s_slow);
  bound[3] = at(std::hypot(t * null.s_slow, z * null.s_fast));
}

}  // namespace serin::judge
