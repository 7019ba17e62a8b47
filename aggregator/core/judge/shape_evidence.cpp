#include "aggregator/core/judge/shape_evidence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace serin::judge {
namespace {

constexpr double kLeast = 1e-300;
constexpr size_t kMostWarmupNodes = 64;
constexpr double kFarStep = 0.35;    // beyond the largest shift, where the margin lifts it
constexpr double kNegligible = 40;   // nats: what lies so far below the best adds nothing
constexpr double kKindsStep = 0.25;  // of s/2: a move of the expected shift that matters

}  // namespace

ShapeEvidence::ShapeEvidence(const BucketRange& range, const ShapePlan& plan)
    : plan_(plan),
      shifts_(range),
      kinds_(range),
      rows_(plan.amplitude.size()),
      tempered_(rows_.size()) {
  const size_t most = ShapePlan::kNear + kMostWarmupNodes + 2 * ShapePlan::kFar;
  axis_.reserve(most);
  axis_gain_.reserve(most);
  absolute_.reserve(most);
  begin();
}

void ShapeEvidence::begin() {
  rows_.front().fill(0);
  rows_used_ = 1;
  kinds_sum_.fill(0);
  weigh_up();
}

void ShapeEvidence::learn(std::span<const double> baseline) {
  shifts_.learn(baseline);
  kinds_.learn(baseline);
  axis_due_ = kinds_due_ = true;
}

void ShapeEvidence::build_axis(double fade) {
  const double top = plan_.shift[ShapePlan::kNear - 1];
  axis_.assign(plan_.shift.begin(), plan_.shift.begin() + ShapePlan::kNear);
  const auto steps =
      std::min(static_cast<size_t>(std::ceil(fade / plan_.step())), kMostWarmupNodes);
  axis_step_ = steps > 0 ? fade / static_cast<double>(steps) : 0;
  for (size_t i = 1; i <= steps; ++i) axis_.push_back(top + axis_step_ * static_cast<double>(i));
  axis_even_ = axis_.size();
  const double largest = plan_.shift.back() + fade;
  for (size_t j = ShapePlan::kNear; j < kShifts; ++j) {
    if (plan_.shift[j] > axis_.back() + 1e-9) axis_.push_back(plan_.shift[j]);
  }
  while (axis_.back() < largest - 1e-9) {
    axis_.push_back(std::min(largest, axis_.back() + kFarStep));
  }
  axis_gain_.assign(axis_.size(), 0);
  absolute_.clear();
  for (const double at : axis_) absolute_.push_back(plan_.centre() + at);
  shifts_.build_shifts(absolute_);
  axis_fade_ = fade;
  axis_due_ = false;
}

// Between two nodes of the axis the geometric mean of two fair bets, itself no better than fair.
double ShapeEvidence::gain_at(double shift) const {
  double at = 0;
  const double near_top = axis_[ShapePlan::kNear - 1];
  if (shift <= near_top) {
    at = (shift - axis_.front()) / plan_.step();
  } else if (shift <= axis_[axis_even_ - 1]) {
    at = static_cast<double>(ShapePlan::kNear - 1) + (shift - near_top) / axis_step_;
  } else {
    size_t i = axis_even_;
    while (i + 1 < axis_.size() && axis_[i] < shift) ++i;
    at = static_cast<double>(i - 1) +
         std::min((shift - axis_[i - 1]) / (axis_[i] - axis_[i - 1]), 1.0);
  }
  const auto i = std::min(static_cast<size_t>(std::max(at, 0.0)), axis_.size() - 2);
  const double part = at - static_cast<double>(i);
  return axis_gain_[i] + part * (axis_gain_[i + 1] - axis_gain_[i]);
}

// Whether some shift beyond the spread gained without any warm-up.
bool ShapeEvidence::advance_shifts(double fade, double temper) {
  if (rows_used_ == 1 && fade >= 0.5 * plan_.step()) {
    std::fill(rows_.begin() + 1, rows_.end(), rows_.front());
    std::fill(tempered_.begin(), tempered_.end(), rows_.front());
    rows_used_ = rows_.size();
  }
  for (size_t a = 0; a < rows_used_; ++a) {
    const double warm = plan_.amplitude[a] * fade;
    for (size_t j = 0; j < kShifts; ++j) {
      const double gain = gain_at(plan_.shift[j] + warm);
      rows_[a][j] += gain;
      tempered_[a][j] += temper * gain;
    }
  }
  bool gained = false;
  for (size_t j = ShapePlan::kNear; j < kShifts; ++j) gained |= gain_at(plan_.shift[j]) > 0;
  return gained;
}

void ShapeEvidence::place_kinds(double fade) {
  const double at = expected_shift_ + expected_amplitude_ * fade;
  if (!kinds_due_ && std::fabs(at - kinds_at_) < kKindsStep * plan_.step()) return;
  kinds_.build_kinds(plan_.centre() + at);
  kinds_at_ = at;
  kinds_due_ = false;
}

bool ShapeEvidence::step(std::span<const double> canary, std::span<const double> baseline,
                         std::span<const size_t> filled, double canary_share, double fade,
                         double temper) {
  if (axis_due_ || fade > axis_fade_ + 1e-9) build_axis(fade);
  place_kinds(fade);
  weigh(shifts_, canary, baseline, filled, canary_share, axis_gain_);
  weigh(kinds_, canary, baseline, filled, canary_share, kinds_gain_);
  bool gained = advance_shifts(fade, temper);
  for (size_t k = 0; k < kKinds; ++k) {
    kinds_sum_[k] += kinds_gain_[k];
    gained |= kinds_gain_[k] > 0;
  }
  weigh_up();
  return gained;
}

double ShapeEvidence::tempered_shift_ratio() const {
  double top = -HUGE_VAL;
  for (const Row& row : tempered_) top = std::max(top, *std::max_element(row.begin(), row.end()));
  double worse = 0, null = 0;
  for (size_t a = 0; a < tempered_.size(); ++a) {
    double null_a = 0, worse_a = 0;
    for (size_t j = 0; j < kShifts; ++j) {
      if (tempered_[a][j] < top - kNegligible) continue;
      const double e = std::exp(tempered_[a][j] - top);
      worse_a += plan_.worse_weight[j] * e;
      null_a += plan_.null_weight[j] * e;
    }
    worse += plan_.amplitude_weight[a] * worse_a;
    null = std::max(null, null_a);
  }
  return worse / (null + kLeast);
}

void ShapeEvidence::weigh_up() {
  double top = *std::max_element(kinds_sum_.begin(), kinds_sum_.end());
  for (size_t a = 0; a < rows_used_; ++a) {
    top = std::max(top, *std::max_element(rows_[a].begin(), rows_[a].end()));
  }
  double shifted = 0, null = 0, posterior = 0, shift = 0, amplitude = 0;
  for (size_t a = 0; a < rows_used_; ++a) {
    double null_a = 0, shift_a = 0;
    for (size_t j = 0; j < kShifts; ++j) {
      if (rows_[a][j] < top - kNegligible) continue;
      const double e = std::exp(rows_[a][j] - top);
      shifted += plan_.worse_weight[j] * e;  // of use with one row only
      null_a += plan_.null_weight[j] * e;
      shift_a += plan_.null_weight[j] * e * plan_.shift[j];
    }
    const double weight = rows_used_ == 1 ? 1 : plan_.amplitude_weight[a];
    null = std::max(null, null_a);
    posterior += weight * null_a;
    shift += weight * shift_a;
    amplitude += weight * null_a * plan_.amplitude[a];
  }
  double other = 0;
  for (size_t k = 0; k < kKinds; ++k) {
    other += plan_.kind_weight[k] * std::exp(kinds_sum_[k] - top);
  }
  const double shift_ratio = rows_used_ == 1 ? shifted / (null + kLeast) : tempered_shift_ratio();
  log_ratio_ = std::log(shift_ratio + other / (null + kLeast) + kLeast);
  if (rows_used_ == 1) {
    amplitude = posterior * std::inner_product(plan_.amplitude.begin(), plan_.amplitude.end(),
                                               plan_.amplitude_weight.begin(), 0.0);
  }
  if (posterior <= kLeast) return;
  expected_shift_ = shift / posterior;
  expected_amplitude_ = amplitude / posterior;
}

}  // namespace serin::judge
