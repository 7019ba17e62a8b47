#include "aggregator/core/judge/shape_metric.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace serin::judge {
namespace {

constexpr double kFirstEpochShare = 0.7;  // of alpha; the later ones share the rest
constexpr double kNoiseSeconds = 60;      // twice the correlation time of host noise
constexpr std::array<double, 4> kShown = {0.9, 0.5, 0.99, 0.999};  // of which people are shown one
constexpr double kLeastBeyond = 5;  // fewer canary requests beyond a quantile do not tell where it is

// Latency in seconds below which the share q lies; absent without requests.
std::optional<double> quantile(std::span<const double> counts, const BucketRange& range, double q) {
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  if (total <= 0) return std::nullopt;
  double left = q * total;
  for (size_t b = 0; b < counts.size(); ++b) {
    if (left <= counts[b] && counts[b] > 0) {
      return std::exp(range.bound(static_cast<double>(b) + left / counts[b]));
    }
    left -= counts[b];
  }
  return std::exp(range.bound(static_cast<double>(counts.size())));
}

/// The quantile at which the canary is slowest beside the baseline.
void show_farthest(std::span<const double> canary, std::span<const double> baseline,
                   const BucketRange& range, Finding& finding) {
  const double requests = std::accumulate(canary.begin(), canary.end(), 0.0);
  for (const double q : kShown) {
    if (finding.quantile && (1 - q) * requests < kLeastBeyond) continue;
    const auto ours = quantile(canary, range, q), theirs = quantile(baseline, range, q);
    if (!ours || !theirs || (finding.effect && *ours / *theirs <= *finding.effect)) continue;
    finding.quantile = q;
    finding.canary = ours;
    finding.baseline = theirs;
    finding.effect = *ours / *theirs;
  }
}

}  // namespace

ShapeMetric::ShapeMetric(const ShapeFamily& family, const Scope& scope, const ShapePlan& plan,
                         double noise, double alpha)
    : family_(family),
      scope_(scope),
      evidence_(family.range(), plan),
      noise_(noise),
      alpha_(alpha),
      threshold_(-std::log(alpha * kFirstEpochShare)),
      canary_(family.range().count, 0),
      all_canary_(family.range().count, 0),
      all_baseline_(family.range().count, 0) {
  filled_.reserve(family.range().count);
}

void ShapeMetric::gather(const StepView& view, std::span<const size_t> rows) {
  std::fill(canary_.begin(), canary_.end(), 0.0);
  canary_total_ = fade_ = 0;
  if (!view.comparable) return;
  for (const size_t row : rows) {
    const HostStep& host = view.canary[row];
    fade_ = std::max(fade_, family_.fade(host.age_seconds));  // the youngest host's
    if (!host.latency) continue;
    int32_t bucket = host.latency->offset();
    for (const uint64_t count : host.latency->counts()) {
      canary_[family_.range().at(bucket++)] += static_cast<double>(count);
    }
    canary_total_ += static_cast<double>(host.latency->total());
  }
  filled_.clear();
  for (size_t b = 0; b < canary_.size(); ++b) {
    all_canary_[b] += canary_[b];
    all_baseline_[b] += family_.baseline()[b];
    if (canary_[b] + family_.baseline()[b] > 0) filled_.push_back(b);
  }
}

void ShapeMetric::begin_epoch() {
  evidence_.begin();
  now_ = used_ = epoch_seconds_ = 0;
  threshold_ = -std::log(alpha_ * (1 - kFirstEpochShare) / family_.later_epochs());
}

void ShapeMetric::step(const StepView& view, std::span<const size_t> rows) {
  gather(view, rows);
  if (edition_ != family_.edition()) {
    evidence_.learn(family_.usual());
    edition_ = family_.edition();
  }
  const double budget = kBudget * static_cast<double>(scope_.hosts.size());
  if (epoch_seconds_ >= kEpochSeconds && used_ >= budget) begin_epoch();
  epoch_seconds_ += family_.options().step_seconds;
  const bool live = used_ < budget && !family_.stale();
  used_ += canary_total_;
  if (!live || canary_total_ <= 0 || family_.baseline_total() <= 0) return;
  const double share = canary_total_ / (canary_total_ + family_.baseline_total());
  // A request tells about the median what one count at even odds tells: a quarter.
  const double information = 0.25 * canary_total_ / family_.options().step_seconds;
  const double temper = 1 / (1 + information * noise_ * kNoiseSeconds);
  const bool gained = evidence_.step(canary_, family_.baseline(), filled_, share, fade_, temper);
  const double cap = 0.5 * threshold_ + 1e-9;
  now_ = std::min(evidence_.log_ratio(), std::max(now_, 0.0) + (gained ? cap : 0));
  if (now_ >= threshold_ && !fired_) {
    fired_ = true;
    at_firing_ = now_;
    fired_threshold_ = threshold_;
  }
}

Finding ShapeMetric::finding() const {
  Finding f;
  f.metric = "latency_shape";
  f.host = scope_.host;
  f.process = "SHAPE";
  f.log_evidence = fired_ ? std::max(at_firing_, now_) : now_;
  f.threshold = fired_ ? fired_threshold_ : threshold_;
  f.fired = fired_;
  show_farthest(all_canary_, all_baseline_, family_.range(), f);
  f.warmup_margin = std::exp(fade_);
  f.spread = evidence_.plan().s();
  f.history_assumed = family_.assumed();
  return f;
}

std::optional<std::string> ShapeMetric::half_way() const {
  if (now_ <= 0.5 * threshold_) return std::nullopt;
  return fmt::format("latency_shape may be worse: evidence {:.0f} : 1, half way to a rollback",
                     std::exp(std::min(now_, 60.0)));
}

}  // namespace serin::judge
