#include "bench/judge/rivals.h"

#include <algorithm>
#include <cmath>

#include "bench/judge/latency_law.h"

namespace serin::bench {
namespace {

constexpr double kUpperOnePercent = 2.3263478740408408;  // of the normal distribution
constexpr std::array<double, 3> kQuantiles = {0.5, 0.9, 0.99};
constexpr size_t kFirstLook = 5;                                   // minutes
constexpr double kFlaggerErrors = 0.01, kFlaggerP99Seconds = 0.5;  // its documentation
constexpr int kFlaggerFailures = 5;                                // in a row, as it is set there
constexpr double kArgoErrors = 0.05;                               // its documentation
constexpr int kArgoFailures = 3;                                   // failureLimit: one more ends it
constexpr double kLeastRequests = 30, kLeastBad = 5;

double error_rate(const Cohort& c) {
  return c.requests == 0 ? 0 : static_cast<double>(c.errors) / static_cast<double>(c.requests);
}

/// Buckets whose upper bounds leave about a half, 10 %, 1 % and 0.1 % of usual requests above.
const std::array<int32_t, 4>& edges() {
  static const auto found = [] {
    constexpr std::array<double, 4> kAbove = {0.5, 0.1, 0.01, 0.001};
    std::array<int32_t, 4> out{};
    std::array<double, 4> nearest;
    nearest.fill(HUGE_VAL);
    const auto shares = LatencyLaw::of(LatencyShape::usual).shares(LatencyLaw::shift_index(0));
    double above = 1;
    for (size_t b = 0; b + 1 < shares.size(); ++b) {
      above -= shares[b];
      for (size_t i = 0; i < kAbove.size(); ++i) {
        const double distance = std::fabs(std::log(std::max(above, 1e-12) / kAbove[i]));
        if (distance >= nearest[i]) continue;
        nearest[i] = distance;
        out[i] = LatencyLaw::kLowest + static_cast<int32_t>(b);
      }
    }
    return out;
  }();
  return found;
}

bool z_fires(double bad, double requests, double other_bad, double other_requests) {
  if (requests < kLeastRequests || bad + other_bad < kLeastBad || other_requests <= 0) return false;
  const double p = (bad + other_bad) / (requests + other_requests);
  const double se = std::sqrt(p * (1 - p) * (1 / requests + 1 / other_requests));
  return bad / requests - other_bad / other_requests > kUpperOnePercent * std::max(se, 1e-12);
}

}  // namespace

void Cohort::add(const Cohort& more) {
  requests += more.requests;
  errors += more.errors;
  latency.merge(more.latency);
}

bool mann_whitney_high(const std::vector<double>& canary, const std::vector<double>& baseline) {
  std::vector<double> differences;
  for (const double c : canary) {
    for (const double b : baseline) differences.push_back(c - b);
  }
  std::sort(differences.begin(), differences.end());
  const double pairs = static_cast<double>(differences.size());
  const double ranks = static_cast<double>(canary.size() + baseline.size() + 1);
  const auto low = std::lround(pairs / 2 - kUpperOnePercent * std::sqrt(pairs * ranks / 12));
  if (low < 1) return false;
  const size_t half = differences.size() / 2;
  const double median = differences.size() % 2 == 1
                            ? differences[half]
                            : 0.5 * (differences[half - 1] + differences[half]);
  return differences[static_cast<size_t>(low - 1)] > 0.25 * median;
}

Rivals::Rivals(double watch_seconds) : watch_seconds_(watch_seconds) {}

void Rivals::second(const Cohort& canary, const Cohort& baseline) {
  second_ += 1;
  canary_minute_.add(canary);
  baseline_minute_.add(baseline);
  canary_.add(canary);
  baseline_.add(baseline);
  if (!times_.z) z_test();
  if (std::fmod(second_, 60) == 0) minute();
}

void Rivals::z_test() {
  bool fires =
      z_fires(static_cast<double>(canary_.errors), static_cast<double>(canary_.requests),
              static_cast<double>(baseline_.errors), static_cast<double>(baseline_.requests));
  for (const int32_t edge : edges()) {
    fires |= z_fires(static_cast<double>(canary_.latency.above(edge)),
                     static_cast<double>(canary_.latency.total()),
                     static_cast<double>(baseline_.latency.above(edge)),
                     static_cast<double>(baseline_.latency.total()));
  }
  if (fires) times_.z = second_;
}

void Rivals::minute() {
  canary_series_[0].push_back(error_rate(canary_minute_));
  baseline_series_[0].push_back(error_rate(baseline_minute_));
  for (size_t q = 0; q < kQuantiles.size(); ++q) {
    canary_series_[q + 1].push_back(canary_minute_.latency.quantile(kQuantiles[q]));
    baseline_series_[q + 1].push_back(baseline_minute_.latency.quantile(kQuantiles[q]));
  }
  kayenta();
  fixed_limits();
  canary_minute_ = baseline_minute_ = {};
}

void Rivals::kayenta() {
  const bool end = second_ + 60 > watch_seconds_;
  if (canary_series_[0].size() < kFirstLook || (times_.kayenta_peeked && !end)) return;
  bool high = false;
  for (size_t i = 0; i < kMetrics; ++i) {
    high |= mann_whitney_high(canary_series_[i], baseline_series_[i]);
  }
  if (!high) return;
  if (!times_.kayenta_peeked) times_.kayenta_peeked = second_;
  if (end) times_.kayenta_end = second_;
}

void Rivals::fixed_limits() {
  const bool bad = error_rate(canary_minute_) > kFlaggerErrors ||
                   canary_minute_.latency.quantile(0.99) > kFlaggerP99Seconds;
  bad_minutes_ = bad ? bad_minutes_ + 1 : 0;
  if (bad_minutes_ >= kFlaggerFailures && !times_.flagger) times_.flagger = second_;
  five_minutes_.add(canary_minute_);
  if (std::fmod(second_, 300) != 0) return;
  if (error_rate(five_minutes_) > kArgoErrors) ++bad_fives_;
  if (bad_fives_ > kArgoFailures && !times_.argo) times_.argo = second_;
  five_minutes_ = {};
}

}  // namespace serin::bench
