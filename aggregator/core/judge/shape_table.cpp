#include "aggregator/core/judge/shape_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "aggregator/core/judge/count_plan.h"
#include "aggregator/core/judge/distributions.h"
#include "common/exp_histogram.h"

namespace serin::judge {
namespace {

constexpr std::array<double, ShapePlan::kFar> kFactors = {1.08, 1.12, 1.2, 1.3, 1.45, 1.7,
                                                          2,    2.5,  3.5, 5,   10};
// The slowest 10 … 0.6 %, in even ratios: where a tail begins is told sharply by the data.
constexpr std::array<double, 7> kTailShare = {.1, .063, .04, .025, .016, .01, .006};
constexpr std::array<double, 3> kTailFactor = {1.5, 2, 3};
// A stretched tail leaves a hole where it began; no real one does. So part of it stays in place.
constexpr double kTailInPlace = .2;
constexpr std::array<double, 5> kModeShare = {.003, .01, .03, .1, .4};
constexpr std::array<double, 4> kModeSeconds = {.1, 1, 5, 30};
constexpr double kEffectMean = 0.5;

// What "worse" is expected to be. Weight goes where evidence is scarce: small shares of slow
// requests show late, large ones show whatever they were thought of before.
constexpr double kShiftPart = .3, kTailPart = .35, kModePart = .35;
constexpr std::array<double, 3> kTailFactorWeight = {.3, .4, .3};
constexpr std::array<double, 5> kModeShareWeight = {.20, .35, .30, .10, .05};
constexpr std::array<double, 4> kModeSecondsWeight = {.25, .35, .25, .15};
// Most new processes hardly warm up, some a good deal.
constexpr double kNoWarmup = .3, kWarmupMean = .5;
constexpr size_t kMostAmplitudes = 128;

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

ShapePlan::ShapePlan(double centre, double s, double degrees, double margin, double warmup)
    : centre_(centre), s_(s) {
  std::array<std::pair<double, size_t>, kShifts> v;
  for (size_t i = 0; i < kNear; ++i) v[i] = {step() * (static_cast<double>(i) - 8), i};
  for (size_t i = 0; i < kFar; ++i) v[kNear + i] = {std::log(kFactors[i]), kNear + i};
  for (const auto& [at, i] : v) shift[i] = at;
  std::sort(v.begin(), v.end());
  std::array<double, kShifts> at;
  std::transform(v.begin(), v.end(), at.begin(), [](const auto& x) { return x.first; });
  const auto width = cell_widths(at);
  double null_sum = 0, worse_sum = 0;
  for (size_t i = 0; i < kShifts; ++i) {
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
  for (double& w : worse_weight) w *= kShiftPart / worse_sum;

  size_t kind = 0;
  for (size_t i = 0; i < kTailShare.size(); ++i) {
    for (const double factor : kTailFactorWeight) {
      kind_weight[kind++] = kTailPart * factor / static_cast<double>(kTailShare.size());
    }
  }
  for (const double share : kModeShareWeight) {
    for (const double seconds : kModeSecondsWeight) {
      kind_weight[kind++] = kModePart * share * seconds;
    }
  }

  const auto steps = static_cast<size_t>(std::ceil(std::max(warmup, 0.0) / step()));
  const size_t amplitudes = std::min(steps + 1, kMostAmplitudes);
  double sum = 0;
  for (size_t a = 0; a < amplitudes; ++a) {
    amplitude.push_back(
        amplitudes > 1 ? static_cast<double>(a) / static_cast<double>(amplitudes - 1) : 0);
    amplitude_weight.push_back(std::exp(-warmup * amplitude.back() / kWarmupMean));
    sum += amplitude_weight.back();
  }
  for (double& w : amplitude_weight) w *= (1 - kNoWarmup) / sum;
  amplitude_weight.front() += kNoWarmup;
}

ShapeTable::ShapeTable(const BucketRange& range)
    : range_(range), baseline_(range.count), cumulative_(range.count + 1) {
  for (size_t b = 0; b < range.count; ++b) {
    upper_.push_back(range.bound(static_cast<double>(b + 1)));
  }
  for (const double seconds : kModeSeconds) {
    auto& at = unslowed_.emplace_back();
    for (const double y : upper_) {
      const double rest = std::exp(y) - seconds;
      at.push_back(rest > 0 ? std::log(rest) : -std::numeric_limits<double>::infinity());
    }
  }
}

void ShapeTable::learn(std::span<const double> baseline) {
  std::copy(baseline.begin(), baseline.end(), baseline_.begin());
  const double sum = std::accumulate(baseline.begin(), baseline.end(), 0.0);
  for (size_t b = 0; b < range_.count; ++b) cumulative_[b + 1] = cumulative_[b] + baseline[b] / sum;
}

// Share of the baseline below a latency, linear in its log within a bucket.
double ShapeTable::below(double log_seconds) const {
  const double at = log_seconds / bucket_width() - range_.low;
  if (!(at > 0)) return 0;
  if (at >= static_cast<double>(range_.count)) return 1;
  const auto i = static_cast<size_t>(at);
  return cumulative_[i] + (at - static_cast<double>(i)) * (cumulative_[i + 1] - cumulative_[i]);
}

template <class Cdf>
void ShapeTable::add(const Cdf& cdf) {
  const size_t first = rows_++ * range_.count;
  if (ratio_.size() < first + range_.count) {
    ratio_.resize(first + range_.count);
    log_ratio_.resize(first + range_.count);
  }
  double before = 0;
  for (size_t b = 0; b < range_.count; ++b) {
    const double upto = b + 1 == range_.count ? 1 : std::clamp(cdf(b), 0.0, 1.0);
    const double ratio = std::max(upto - before, kLeast) / baseline_[b];
    ratio_[first + b] = ratio;
    log_ratio_[first + b] = std::log(ratio);
    before = upto;
  }
}

void ShapeTable::build_shifts(std::span<const double> shifts) {
  rows_ = 0;
  for (const double by : shifts) add([&](size_t b) { return below(upper_[b] - by); });
}

void ShapeTable::build_kinds(double own) {
  rows_ = 0;
  for (const double share : kTailShare) {
    const double from = 1 - share;
    for (const double factor : kTailFactor) {
      const double further = own + std::log(factor);
      add([&](size_t b) {
        const double usual = below(upper_[b] - own);
        if (usual < from) return usual;
        const double stretched = std::max(from, below(upper_[b] - further));
        return kTailInPlace * usual + (1 - kTailInPlace) * stretched;
      });
    }
  }
  for (const double share : kModeShare) {
    for (const auto& unslowed : unslowed_) {
      add([&](size_t b) {
        return (1 - share) * below(upper_[b] - own) + share * below(unslowed[b] - own);
      });
    }
  }
}

// With m = 1 - f + f * ratio, the mean of ratio / m over the canary and of 1 / m over the baseline
// is at most 1 by the inequality of means. A wrong "usual" costs power only.
void weigh(const ShapeTable& table, std::span<const double> canary,
           std::span<const double> baseline, std::span<const size_t> filled, double canary_share,
           std::span<double> gain) {
  for (size_t row = 0; row < table.rows(); ++row) {
    const auto ratio = table.ratio(row), log_ratio = table.log_ratio(row);
    double sum = 0;
    for (const size_t b : filled) {
      // Not log1p: what rounding takes from 1 + x is below 1e-16 of a request each.
      sum += canary[b] * log_ratio[b] -
             (canary[b] + baseline[b]) * std::log(1 + canary_share * (ratio[b] - 1));
    }
    gain[row] = sum;
  }
}

}  // namespace serin::judge
