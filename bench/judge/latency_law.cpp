#include "bench/judge/latency_law.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace serin::bench {
namespace {

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

double usual_cdf(double y) {
  return 0.97 * normal_cdf((y - std::log(50.0)) / 0.5) +
         0.03 * normal_cdf((y - std::log(150.0)) / 0.9);
}

constexpr double kSlowTail = 0.985;

double log_ms_at(double share) {
  double low = 0, high = 12;
  for (int i = 0; i < 80; ++i) {
    const double middle = 0.5 * (low + high);
    (usual_cdf(middle) < share ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

double latency_cdf(LatencyShape shape, double y) {
  switch (shape) {
    case LatencyShape::usual:
      return usual_cdf(y);
    case LatencyShape::slow_tail: {
      static const double from = log_ms_at(kSlowTail);
      return y < from ? usual_cdf(y) : std::max(kSlowTail, usual_cdf(y - std::numbers::ln2));
    }
    case LatencyShape::bimodal: {
      const double slow = y > std::log(1001.0) ? usual_cdf(std::log(std::exp(y) - 1000)) : 0;
      return 0.98 * usual_cdf(y) + 0.02 * slow;
    }
  }
  return 0;
}

LatencyLaw::LatencyLaw(LatencyShape shape) : shares_(kShifts * kBuckets) {
  for (size_t s = 0; s < kShifts; ++s) {
    const double shift = kLeastShift + kShiftStep * static_cast<double>(s);
    double below = 0;
    for (size_t b = 0; b < kBuckets; ++b) {
      const double edge_ms = 1e3 * ExpHistogram::upper_bound(kLowest + static_cast<int32_t>(b));
      const double here = b + 1 == kBuckets ? 1 : latency_cdf(shape, std::log(edge_ms) - shift);
      shares_[s * kBuckets + b] = std::max(here - below, 0.0);
      below = here;
    }
  }
}

const LatencyLaw& LatencyLaw::of(LatencyShape shape) {
  static const LatencyLaw usual(LatencyShape::usual), slow_tail(LatencyShape::slow_tail),
      bimodal(LatencyShape::bimodal);
  switch (shape) {
    case LatencyShape::slow_tail:
      return slow_tail;
    case LatencyShape::bimodal:
      return bimodal;
    case LatencyShape::usual:
      break;
  }
  return usual;
}

size_t LatencyLaw::shift_index(double log_shift) {
  const double at = std::round((log_shift - kLeastShift) / kShiftStep);
  return static_cast<size_t>(std::clamp(at, 0.0, static_cast<double>(kShifts - 1)));
}

}  // namespace serin::bench
