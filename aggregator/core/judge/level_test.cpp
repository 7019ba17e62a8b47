#include "aggregator/core/judge/level_test.h"

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/distributions.h"

namespace serin::judge {
namespace {

constexpr double kTop = 4;            // e^4: fifty times as much
constexpr double kMaxSlow = 0.9;      // the grid's near part must end below its top
constexpr double kNoiseSeconds = 60;  // twice the correlation time of host noise
constexpr double kStretchBlocks =
    30;  // the running mean starts anew after 300 s, or late onsets are diluted
constexpr double kEffectMean = 0.3;
constexpr double kLeast = 1e-300;

}  // namespace

// The first stretch has half of alpha, the next a quarter, and so on.
LevelTest::LevelTest(const LevelNull& null, double margin, double alpha)
    : null_(null), threshold_(-std::log(0.5 * alpha)) {
  null_.s_slow = std::min(null_.s_slow, kMaxSlow);
  v_ = effect_grid(null_.s_slow, kTop);
  const auto width = cell_widths(v_);
  double null_sum = 0, worse_sum = 0;
  for (size_t j = 0; j < kGrid; ++j) {
    const bool dont_care = v_[j] > 0 && v_[j] <= margin;
    null_weight_[j] =
        student_density(dont_care ? 0 : v_[j] / null_.s_slow, null_.degrees) * width[j] + kLeast;
    worse_weight_[j] = v_[j] > margin ? std::exp(-v_[j] / kEffectMean) * width[j] : 0;
    null_sum += null_weight_[j];
    worse_sum += worse_weight_[j];
  }
  for (double& w : null_weight_) w /= null_sum;
  for (double& w : worse_weight_) w /= worse_sum;
}

// Half the inverse variance of the mean of so many blocks.
double LevelTest::precision(double blocks) const {
  const double share = std::min(1.0, kNoiseSeconds / (blocks * kBlockSeconds));
  return 0.5 / (null_.s_fast * null_.s_fast * share);
}

double LevelTest::ratio(double mean, double blocks) const {
  const double precision = this->precision(blocks);
  std::array<double, kGrid> log_likelihood;
  double top = -HUGE_VAL;
  for (size_t j = 0; j < kGrid; ++j) {
    log_likelihood[j] = -precision * (mean - v_[j]) * (mean - v_[j]);
    top = std::max(top, log_likelihood[j]);
  }
  double worse = 0, null = 0;
  for (size_t j = 0; j < kGrid; ++j) {
    const double e = std::exp(log_likelihood[j] - top);
    worse += worse_weight_[j] * e;
    null += null_weight_[j] * e;
  }
  return std::log(worse + kLeast) - std::log(null + kLeast);
}

void LevelTest::block(double deviation) {
  if (blocks_ >= kStretchBlocks) {
    blocks_ = sum_ = now_ = 0;
    ++stretch_;
    if (!fired_) threshold_ += std::log(2.0);
  }
  blocks_ += 1;
  sum_ += deviation;
  const double cap = 0.5 * threshold_ + 1e-9;
  now_ = std::min(ratio(sum_ / blocks_, blocks_), std::max(now_, 0.0) + cap);
  if (now_ >= threshold_ && !fired_) {
    fired_ = true;
    at_firing_ = now_;
  }
}

std::optional<double> LevelTest::mean() const {
  if (blocks_ <= 0) return std::nullopt;
  return sum_ / blocks_;
}

// The running mean itself is normal around the truth, so a normal mixture has a closed form
// (Robbins 1970): sd of the mixture = that of one block, which is widest at the first look.
std::optional<LevelTest::Interval> LevelTest::interval() const {
  const auto at = mean();
  if (!at) return std::nullopt;
  const double variance = 0.5 / precision(blocks_), mixed = null_.s_fast * null_.s_fast;
  const double log_odds = std::log(20.0) + stretch_ * std::log(2.0);
  const double half = std::sqrt(variance * (variance + mixed) / mixed *
                                (2 * log_odds + std::log((variance + mixed) / variance)));
  return Interval{.low = *at - half, .high = *at + half};
}

bool LevelTest::would_see(double deviation) const {
  return blocks_ >= 2 && ratio(deviation, blocks_) >= threshold_;
}

}  // namespace serin::judge
