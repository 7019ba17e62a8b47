#include "aggregator/core/judge/shape_table.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "aggregator/core/judge/count_plan.h"
#include "aggregator/core/judge/distributions.h"
#include "common/exp_histogram.h"

namespace serin::judge {
namespace {

constexpr std::array<double, ShapePlan::kShifts> kFactors = {1.08, 1.12, 1.2, 1.3, 1.45, 1.7,
                                                             2,    2.5,  3.5, 5,   10};
constexpr std::array<double, 3> kTailFrom = {.90, .97, .99};  // the slowest 10, 3 and 1 %
constexpr std::array<double, 3> kTailFactor = {1.5, 2, 4};
constexpr std::array<double, 5> kModeShare = {.003, .01, .03, .1, .4};
constexpr std::array<double, 4> kModeSeconds = {.1, 1, 5, 30};
constexpr std::array<double, ShapePlan::kNuisance> kNuisanceShift = {-2, -1, 0, 1, 2};
constexpr double kEffectMean = 0.5;

double null_step(size_t i) {
  return (static_cast<double>(i) - 8) * 0.5;
}

double bucket_width() {
  return std::log(2.0) / std::exp2(ExpHistogram::kScale);
}

}  // namespace

size_t BucketRange::at(int32_t bucket) const {
  const int64_t i = std::clamp<int64_t>(int64_t{bucket} - low, 0, static_cast<int64_t>(count) - 1);
  return static_cast<size_t>(i);
}

double BucketRange::bound(double i) const {
  return bucket_width() * (low + i);
}

// Half of "worse" on shifts beyond the margin, half evenly on tails and modes, each at five places
// of the host's own shift. Pure shifts also carry the far tail of the null.
ShapePlan::ShapePlan(double centre, double s, double degrees, double margin)
    : centre_(centre), s_(s) {
  constexpr size_t kPure = kNullShifts + kShifts;
  std::array<std::pair<double, size_t>, kPure> v;
  for (size_t i = 0; i < kNullShifts; ++i) v[i] = {s * null_step(i), i};
  for (size_t i = 0; i < kShifts; ++i)
    v[kNullShifts + i] = {std::log(kFactors[i]), kNullShifts + i};
  std::sort(v.begin(), v.end());
  std::array<double, kPure> at;
  std::transform(v.begin(), v.end(), at.begin(), [](const auto& x) { return x.first; });
  const auto width = cell_widths(at);
  double null_sum = 0, worse_sum = 0;
  for (size_t i = 0; i < kPure; ++i) {
    const bool dont_care = at[i] > 0 && at[i] <= margin;
    const double cell = std::max(width[i], 1e-9);
    double& null = null_weight[v[i].second] =
        student_density(dont_care ? 0 : at[i] / s, degrees) * cell + 1e-300;
    double& worse = worse_weight[v[i].second] =
        at[i] > margin ? std::exp(-at[i] / kEffectMean) * width[i] : 0;
    null_sum += null;
    worse_sum += worse;
  }
  for (double& w : null_weight) w /= null_sum;
  for (double& w : worse_weight) w *= 0.5 / worse_sum;
  double nuisance_sum = 0;
  for (const double z : kNuisanceShift) nuisance_sum += student_density(z, degrees);
  constexpr size_t kKinds = kTails + kModes;
  for (size_t n = 0; n < kNuisance; ++n) {
    const double weight = 0.5 * student_density(kNuisanceShift[n], degrees) / nuisance_sum /
                          static_cast<double>(kKinds);
    std::fill_n(worse_weight.begin() + static_cast<long>(kPure + n * kKinds), kKinds, weight);
  }
}

ShapeTable::ShapeTable(const BucketRange& range)
    : range_(range),
      cumulative_(range.count + 1),
      ratio_(range.count * ShapePlan::kShapes),
      log_ratio_(range.count * ShapePlan::kShapes) {}

// Share of the baseline below a latency, linear in its log within a bucket.
double ShapeTable::below(double log_seconds) const {
  const double at = log_seconds / bucket_width() - range_.low;
  if (!(at > 0)) return 0;
  if (at >= static_cast<double>(range_.count)) return 1;
  const auto i = static_cast<size_t>(at);
  return cumulative_[i] + (at - static_cast<double>(i)) * (cumulative_[i + 1] - cumulative_[i]);
}

template <class Cdf>
void ShapeTable::add(size_t shape, std::span<const double> baseline, const Cdf& cdf) {
  double before = 0;
  for (size_t b = 0; b < range_.count; ++b) {
    const double upto = b + 1 == range_.count
                            ? 1
                            : std::clamp(cdf(range_.bound(static_cast<double>(b + 1))), 0.0, 1.0);
    const double ratio = std::max(upto - before, kLeast) / baseline[b];
    ratio_[shape * range_.count + b] = ratio;
    log_ratio_[shape * range_.count + b] = std::log(ratio);
    before = upto;
  }
}

void ShapeTable::build(std::span<const double> baseline, const ShapePlan& plan, double offset) {
  const double sum = std::accumulate(baseline.begin(), baseline.end(), 0.0);
  for (size_t b = 0; b < range_.count; ++b) cumulative_[b + 1] = cumulative_[b] + baseline[b] / sum;
  const double centre = plan.centre() + offset;
  size_t shape = 0;
  const auto shifted = [&](double by) {
    add(shape++, baseline, [this, by](double y) { return below(y - by); });
  };
  for (size_t i = 0; i < ShapePlan::kNullShifts; ++i) shifted(centre + plan.s() * null_step(i));
  for (const double factor : kFactors) shifted(centre + std::log(factor));
  for (const double z : kNuisanceShift) {
    const double own = centre + z * plan.s();
    for (const double from : kTailFrom) {
      for (const double factor : kTailFactor) {
        add(shape++, baseline, [&](double y) {
          const double usual = below(y - own);
          return usual < from ? usual : std::max(from, below(y - own - std::log(factor)));
        });
      }
    }
    for (const double share : kModeShare) {
      for (const double seconds : kModeSeconds) {
        add(shape++, baseline, [&](double y) {
          const double rest = std::exp(y) - seconds;
          const double slow = rest > 0 ? below(std::log(rest) - own) : 0;
          return (1 - share) * below(y - own) + share * slow;
        });
      }
    }
  }
}

}  // namespace serin::judge
