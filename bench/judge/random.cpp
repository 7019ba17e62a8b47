#include "bench/judge/random.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace serin::bench {
namespace {

constexpr double kInversionBelow = 10;

uint64_t splitmix(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

constexpr size_t kTabulated = 256;

const std::array<double, kTabulated>& small_log_factorials() {
  static const auto table = [] {
    std::array<double, kTabulated> t{};
    for (size_t k = 1; k < kTabulated; ++k) t[k] = t[k - 1] + std::log(static_cast<double>(k));
    return t;
  }();
  return table;
}

}  // namespace

double log_factorial(uint64_t k) {
  if (k < kTabulated) return small_log_factorials()[k];
  const double x = static_cast<double>(k);  // Stirling's series; the next term is below 1e-15
  return (x + 0.5) * std::log(x) - x + 0.5 * std::log(2 * std::numbers::pi) + 1 / (12 * x) -
         1 / (360 * x * x * x);
}

uint64_t mixed_seed(uint64_t first, uint64_t second) {
  uint64_t state = first;
  state = splitmix(state) ^ second;
  return splitmix(state);
}

Rng::Rng(uint64_t seed) {
  for (auto& word : state_) word = splitmix(seed);
}

uint64_t Rng::bits() {
  auto& s = state_;
  const uint64_t out = std::rotl(s[0] + s[3], 23) + s[0];
  const uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return out;
}

double Rng::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double x, y, square;
  do {
    x = 2 * uniform() - 1;
    y = 2 * uniform() - 1;
    square = x * x + y * y;
  } while (square >= 1);
  const double scale = std::sqrt(-2 * std::log(square) / square);
  spare_ = y * scale;
  has_spare_ = true;
  return x * scale;
}

uint64_t Rng::poisson(double mean) {
  if (mean <= 0) return 0;
  if (mean < kInversionBelow) {
    double u = uniform(), p = std::exp(-mean);
    uint64_t k = 0;
    while (u > p && p > 0) {
      u -= p;
      p *= mean / static_cast<double>(++k);
    }
    return k;
  }
  const double root = std::sqrt(mean), log_mean = std::log(mean);
  const double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = uniform() - 0.5, v = uniform(), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= v_r) return static_cast<uint64_t>(k);
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <=
        k * log_mean - mean - log_factorial(static_cast<uint64_t>(k))) {
      return static_cast<uint64_t>(k);
    }
  }
}

uint64_t Rng::binomial(uint64_t n, double p) {
  if (n == 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p);
  const double trials = static_cast<double>(n), odds = p / (1 - p);
  if (trials * p < kInversionBelow) {
    double u = uniform(), now = std::exp(trials * std::log1p(-p));
    uint64_t k = 0;
    while (u > now && k < n) {
      u -= now;
      now *= odds * static_cast<double>(n - k) / static_cast<double>(k + 1);
      ++k;
    }
    return k;
  }
  const double sd = std::sqrt(trials * p * (1 - p));
  const double b = 1.15 + 2.53 * sd, a = -0.0873 + 0.0248 * b + 0.01 * p, c = trials * p + 0.5;
  const double v_r = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * sd;
  const auto mode = static_cast<uint64_t>((trials + 1) * p);
  const double at_mode = log_factorial(mode) + log_factorial(n - mode), log_odds = std::log(odds);
  for (;;) {
    const double u = uniform() - 0.5, v = uniform(), us = 0.5 - std::fabs(u);
    const double drawn = std::floor((2 * a / us + b) * u + c);
    if (drawn < 0 || drawn > trials) continue;
    const auto k = static_cast<uint64_t>(drawn);
    if (us >= 0.07 && v <= v_r) return k;
    if (std::log(v * alpha / (a / (us * us) + b)) <=
        at_mode - log_factorial(k) - log_factorial(n - k) +
            (drawn - static_cast<double>(mode)) * log_odds) {
      return k;
    }
  }
}

}  // namespace serin::bench
