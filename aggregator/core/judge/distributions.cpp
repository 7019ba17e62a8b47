#include "aggregator/core/judge/distributions.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace serin::judge {
namespace {

// Continued fraction of the incomplete beta function (Lentz; DLMF 8.17.22).
double beta_fraction(double a, double b, double x) {
  constexpr int kRounds = 500;  // it needs about sqrt(max(a, b)); df is at most a few hundred
  constexpr double kTiny = 1e-300;
  const auto guard = [](double v) { return std::fabs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / guard(1 - (a + b) * x / (a + 1)), h = d;
  for (int i = 1; i <= kRounds; ++i) {
    const double m = i;
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    h *= d * c;
    if (std::fabs(d * c - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return h;
}

// Regularised incomplete beta function; y = 1 - x is passed in, so that neither end loses digits.
double incomplete_beta(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const double front = std::exp(a * std::log(x) + b * std::log(y) + std::lgamma(a + b) -
                                std::lgamma(a) - std::lgamma(b));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, y) / b;
}

// Root of tail(x) = p for a decreasing tail: Newton on log(tail), kept inside a bracket by
// bisection.
template <class Tail, class Density>
double invert(double p, const Tail& tail, const Density& density) {
  if (p >= 0.5) return 0;
  double low = 0, high = 1;
  while (tail(high) > p) {
    low = high;
    high *= 2;
  }
  double x = 0.5 * (low + high);
  for (int i = 0; i < 200; ++i) {
    const double t = tail(x);
    (t > p ? low : high) = x;
    double next = x + t * (std::log(t) - std::log(p)) / density(x);
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::fabs(next - x) <= 1e-15 * next) return next;
    x = next;
  }
  return x;
}

}  // namespace

double student_density(double x, double df) {
  const double norm =
      std::lgamma(0.5 * (df + 1)) - std::lgamma(0.5 * df) - 0.5 * std::log(df * std::numbers::pi);
  return std::exp(norm - 0.5 * (df + 1) * std::log1p(x * x / df));
}

double student_tail(double x, double df) {
  const double whole = df + x * x;
  const double half = 0.5 * incomplete_beta(0.5 * df, 0.5, df / whole, x * x / whole);
  return x >= 0 ? half : 1 - half;
}

double student_upper_quantile(double p, double df) {
  return invert(
      p, [df](double x) { return student_tail(x, df); },
      [df](double x) { return student_density(x, df); });
}

double normal_upper_quantile(double p) {
  return invert(
      p, [](double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); },
      [](double x) {
        return std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
      });
}

}  // namespace serin::judge
