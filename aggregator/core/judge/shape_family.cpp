#include "aggregator/core/judge/shape_family.h"

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/families.h"
#include "aggregator/core/judge/shape_metric.h"

namespace serin::judge {
namespace {

constexpr double kPastWeight =
    2000;  // requests that the past counts for beside the last half minute
constexpr double kHalfLifeSeconds = 30;
constexpr double kRefreshSeconds = 10;
constexpr double kStaleKeep = 0.3;    // of what was learnt before the fleet moved
constexpr double kStaleLeast = 0.01;  // nats
constexpr double kRestartShift = 0.02;
constexpr size_t kMaxHostEngines = 8;
constexpr int32_t kBelow = 16,
                  kAbove = 30;       // buckets around the past: a quarter, and thirteen times
constexpr double kLongestMode = 60;  // seconds that the range reaches at least

BucketRange range_of(const ExpHistogram& past) {
  const auto last = past.offset() + static_cast<int32_t>(past.counts().size()) - 1;
  const int32_t low = std::max(past.offset() - kBelow, ExpHistogram::kMinIndex);
  const int32_t high = std::min(std::max(last + kAbove, ExpHistogram::index_of(kLongestMode)),
                                ExpHistogram::kMaxIndex);
  return {.low = low, .count = static_cast<size_t>(high - low + 1)};
}

void add_to(std::vector<double>& counts, const BucketRange& range, const ExpHistogram& latency) {
  int32_t bucket = latency.offset();
  for (const uint64_t count : latency.counts()) {
    counts[range.at(bucket++)] += static_cast<double>(count);
  }
}

double later_epochs_of(const Options& o, std::span<const HostHistory> history) {
  double requests = 0, seconds = 0;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      requests += static_cast<double>(block.requests);
      seconds += 10;
    }
  }
  const double rate = requests / std::max(seconds, 1.0);
  const double epoch =
      std::max(ShapeMetric::kEpochSeconds, ShapeMetric::kBudget / std::max(rate, 1e-3));
  return std::max(1.0, std::ceil(o.window_seconds / epoch));
}

/// Log latency that warming up may cost. With a profile: the most that the margins of the median
/// and of p90 allow, and that the slowest hundredth has been shown to need. That one's own margin
/// would keep the engine waiting where it is merely not known well.
WarmupMargin latency_fade(const Options& o, const LatencyShape& shape) {
  const double amplitude = std::log(std::max(o.warmup_factor_latency, 1.0));
  const double tau = std::max(o.warmup_tau_latency_seconds, 1e-3);
  const auto fallback = [&](double age) { return amplitude * std::exp(-age / tau); };
  if (!o.warmup) return WarmupMargin(fallback, nullptr, WarmupStream::latency_p50);
  struct Learnt {
    int32_t edge;
    WarmupMargin margin;
    bool shown;
  };
  std::vector<Learnt> learnt;
  const auto add = [&](double above, WarmupStream stream, bool shown) {
    const auto edge = shape.edge(above);
    if (edge) learnt.push_back({*edge, LatencyFamily::margin_of(o, shape, *edge, stream), shown});
  };
  add(.5, WarmupStream::latency_p50, false);
  add(.1, WarmupStream::latency_p90, false);
  add(.01, WarmupStream::latency_p99, true);
  const auto most = [&](double age) {
    double shift = 0;
    for (const Learnt& l : learnt) {
      const double gain = l.shown ? l.margin.shown(age) : l.margin.at(age);
      shift = std::max(shift, shape.shift_of_log_odds(l.edge, gain).value_or(fallback(age)));
    }
    return learnt.empty() ? fallback(age) : shift;
  };
  return WarmupMargin(most, nullptr, WarmupStream::latency_p50);
}

}  // namespace

ShapeFamily::ShapeFamily(const Options& options, double alpha, std::span<const HostHistory> history)
    : ShapeFamily(options, alpha, history, usual_latency(history)) {}

ShapeFamily::ShapeFamily(const Options& options, double alpha, std::span<const HostHistory> history,
                         const ExpHistogram& past)
    : options_(options),
      alpha_(alpha),
      range_(range_of(past)),
      spread_({}, kLatencyPrior, 0),
      later_epochs_(later_epochs_of(options, history)),
      past_(range_.count, 0),
      recent_(range_.count, 0),
      usual_(range_.count, 0),
      baseline_(range_.count, 0),
      group_(range_.count, 0),
      fade_(latency_fade(options, LatencyShape(past))) {
  const LatencyShape shape(past);
  const int32_t median = shape.edge(0.5).value_or(past.offset());
  slope_ = std::max(shape.log_odds_of_shift(median, kRestartShift) / kRestartShift, 1e-3);
  spread_ =
      Spread(LatencyFamily::blocks_above(history, median), kLatencyPrior, kRestartShift * slope_);
  add_to(past_, range_, past);
  for (double& x : past_) x /= std::max(static_cast<double>(past.total()), 1.0);
  refresh();
}

void ShapeFamily::refresh() {
  double total = kPastWeight;
  for (const double x : recent_) total += x;
  double cumulative = 0;
  group_share_.fill(0);
  for (size_t b = 0; b < range_.count; ++b) {
    usual_[b] = std::max((recent_[b] + kPastWeight * past_[b]) / total, ShapeTable::kLeast);
    const double middle = cumulative + 0.5 * usual_[b];
    group_[b] = std::min(static_cast<size_t>(static_cast<double>(kGroups) * middle), kGroups - 1);
    group_share_[group_[b]] += usual_[b];
    cumulative += usual_[b];
  }
  since_refresh_ = 0;
  ++edition_;
}

// Whether the whole fleet's latencies have just moved: relative entropy over groups that are
// equally usual.
bool ShapeFamily::moved() const {
  if (baseline_total_ <= 0) return false;
  std::array<double, kGroups> share{};
  for (size_t b = 0; b < range_.count; ++b) share[group_[b]] += baseline_[b] / baseline_total_;
  double distance = 0;
  for (size_t g = 0; g < kGroups; ++g) {
    if (share[g] > 0) distance += share[g] * std::log(share[g] / std::max(group_share_[g], 1e-12));
  }
  return distance > kStaleLeast + 2.0 * static_cast<double>(kGroups) / baseline_total_;
}

void ShapeFamily::observe(const StepView& view) {
  // The step before this one has been judged: now it may be learnt from.
  const double keep = std::exp2(-options_.step_seconds / kHalfLifeSeconds);
  for (size_t b = 0; b < range_.count; ++b) {
    recent_[b] = (stale_ ? kStaleKeep : 1) * keep * recent_[b] + baseline_[b];
  }
  since_refresh_ += options_.step_seconds;
  if (stale_ || since_refresh_ >= kRefreshSeconds) refresh();
  std::fill(baseline_.begin(), baseline_.end(), 0.0);
  baseline_total_ = 0;
  if (view.comparable) {
    for (const HostStep& host : view.baseline) {
      if (!host.latency) continue;
      add_to(baseline_, range_, *host.latency);
      baseline_total_ += static_cast<double>(host.latency->total());
    }
  }
  stale_ = moved();
}

bool ShapeFamily::covers(const Scope& scope) const {
  return !scope.host || host_engines_ < kMaxHostEngines;
}

std::unique_ptr<Metric> ShapeFamily::open(const Scope& scope, size_t baseline_hosts, double alpha) {
  if (scope.host) ++host_engines_;
  const NullModel null =
      widened(spread_.null_for(scope.hosts, std::max(baseline_hosts, spread_.baseline_hosts())),
              trust_of(options_, "latency_shape").widening);
  double most = 0;  // a learnt margin need not begin at its largest
  for (size_t age = 0; age <= WarmupMargin::kSeconds; ++age) {
    most = std::max(most, fade(static_cast<double>(age)));
  }
  const ShapePlan plan(null.centre / slope_, null.s / slope_, null.degrees,
                       std::log1p(options_.latency_p50), most);
  return std::make_unique<ShapeMetric>(*this, scope, plan, null.s_fast * null.s_fast, alpha);
}

}  // namespace serin::judge
