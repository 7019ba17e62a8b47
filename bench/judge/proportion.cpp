#include "bench/judge/proportion.h"

#include <cmath>

#include "bench/judge/random.h"

namespace serin::bench {
namespace {

double at_most(size_t hits, size_t runs, double p) {
  double sum = 0;
  for (size_t k = 0; k <= hits; ++k) {
    const double log_term = log_factorial(runs) - log_factorial(k) - log_factorial(runs - k) +
                            static_cast<double>(k) * std::log(p) +
                            static_cast<double>(runs - k) * std::log1p(-p);
    sum += std::exp(log_term);
  }
  return sum;
}

}  // namespace

double upper_bound_95(size_t hits, size_t runs) {
  if (hits >= runs) return 1;
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (at_most(hits, runs, middle) > 0.05 ? low : high) = middle;
  }
  return high;
}

}  // namespace serin::bench
