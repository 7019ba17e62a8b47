#include "aggregator/core/judge/latency_family.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "aggregator/core/judge/families.h"

namespace serin::judge {
namespace {

constexpr double kLeastAbove = 5;         // requests above an edge, or it is noise
constexpr uint64_t kLeastRequests = 200;  // in the whole past, or there is no shape to speak of
constexpr double kRestartShift = 0.02;    // restart-to-restart change of a host's latency
constexpr double kLeastShare = 1e-9;
constexpr double kMaxLogOdds = CountPlan::kTop;
constexpr std::array<double, Foresight::kEffects> kRatios = {1.1, 1.25, 1.5, 2, 3, 5};

double log_odds(double share) {
  share = std::clamp(share, kLeastShare, 1 - kLeastShare);
  return std::log(share) - std::log1p(-share);
}

double bucket_width() {
  return std::log(2.0) / std::exp2(ExpHistogram::kScale);
}

double upper(int32_t bucket) {
  return bucket_width() * (bucket + 1);
}

ExpHistogram pooled(std::span<const HostHistory> history) {
  ExpHistogram all;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      if (block.latency) all.merge(*block.latency);
    }
  }
  return all;
}

}  // namespace

LatencyShape::LatencyShape(const ExpHistogram& usual)
    : offset_(usual.offset()), total_(static_cast<double>(usual.total())) {
  uint64_t left = usual.total();
  for (const uint64_t count : usual.counts()) {
    left -= count;
    above_.push_back(static_cast<double>(left) / std::max(total_, 1.0));
  }
}

double LatencyShape::slower(double log_seconds) const {
  const double at = log_seconds / bucket_width() - offset_;  // 0 = lower bound of the first bucket
  if (at <= 0 || above_.empty()) return above_.empty() ? 0 : 1;
  const double whole = std::floor(at);
  if (whole >= static_cast<double>(above_.size())) return 0;
  const auto i = static_cast<size_t>(whole);
  const double before = i == 0 ? 1 : above_[i - 1];
  return before + (at - whole) * (above_[i] - before);
}

std::optional<int32_t> LatencyShape::edge(double share) const {
  std::optional<int32_t> best;
  double nearest = HUGE_VAL;
  for (size_t i = 0; i < above_.size(); ++i) {
    if (above_[i] * total_ < kLeastAbove) break;
    const double distance = std::fabs(std::log(above_[i] / share));
    if (distance >= nearest) continue;
    nearest = distance;
    best = offset_ + static_cast<int32_t>(i);
  }
  return best;
}

double LatencyShape::log_odds_of_shift(int32_t bucket, double shift) const {
  const double gain = log_odds(slower(upper(bucket) - shift)) - log_odds(slower(upper(bucket)));
  return std::clamp(gain, -kMaxLogOdds, kMaxLogOdds);
}

std::optional<double> LatencyShape::shift_of_log_odds(int32_t bucket, double gain) const {
  double low = -std::log(100.0), high = std::log(100.0);
  if (gain <= log_odds_of_shift(bucket, low) || gain >= log_odds_of_shift(bucket, high)) {
    return std::nullopt;
  }
  for (int i = 0; i < 50; ++i) {
    const double middle = 0.5 * (low + high);
    (log_odds_of_shift(bucket, middle) < gain ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

/// What differs between the four streams.
struct LatencyFamily::Quantile {
  const char* metric;
  Share share;
  WarmupStream stream;
  double above;
  double margin;
  double early_limit;  // as a share of latency; 0: an early pass does not ask
};

bool LatencyFamily::present(std::span<const HostHistory> history) {
  return pooled(history).total() >= kLeastRequests;
}

double LatencyFamily::slower_than(const ExpHistogram& latency, int32_t edge) {
  const auto counts = latency.counts();
  const int64_t first = std::clamp<int64_t>(int64_t{edge} + 1 - latency.offset(), 0,
                                            static_cast<int64_t>(counts.size()));
  return static_cast<double>(std::accumulate(counts.begin() + first, counts.end(), uint64_t{0}));
}

WarmupMargin LatencyFamily::margin_of(const Options& o, const LatencyShape& shape, int32_t edge,
                                      WarmupStream stream) {
  const double amplitude = std::log(std::max(o.warmup_factor_latency, 1.0));
  const double tau = std::max(o.warmup_tau_latency_seconds, 1e-3);
  return WarmupMargin(
      [&](double age) { return shape.log_odds_of_shift(edge, amplitude * std::exp(-age / tau)); },
      o.warmup.get(), stream);
}

std::vector<HostBlocks> LatencyFamily::blocks_above(std::span<const HostHistory> history,
                                                    int32_t edge) {
  std::vector<HostBlocks> out;
  for (const auto& h : history) {
    HostBlocks& host = out.emplace_back();
    host.host = h.host;
    host.canary = h.canary;
    for (const auto& b : h.blocks) {
      if (!b.latency) continue;
      host.blocks.push_back({.index = b.index,
                             .requests = static_cast<double>(b.latency->total()),
                             .bad = slower_than(*b.latency, edge)});
    }
  }
  return out;
}

std::vector<std::unique_ptr<Family>> LatencyFamily::make(const Options& o,
                                                         const std::array<double, kShares>& alpha,
                                                         std::span<const HostHistory> history) {
  const Quantile quantiles[] = {
      {"latency_p50", Share::latency_p50, WarmupStream::latency_p50, .5, o.latency_p50, .20},
      {"latency_p90", Share::latency_p90, WarmupStream::latency_p90, .1, o.latency_p90, .20},
      {"latency_p99", Share::latency_p99, WarmupStream::latency_p99, .01, o.latency_p99, .25},
      {"latency_p999", Share::latency_p999, WarmupStream::latency_p999, .001, o.latency_p99, 0},
  };
  const auto shape = std::make_shared<const LatencyShape>(pooled(history));
  std::vector<std::pair<const Quantile*, int32_t>> edges;
  double whole = 0;
  for (const Quantile& q : quantiles) {
    whole += alpha[static_cast<size_t>(q.share)];
    const auto edge = shape->edge(q.above);
    if (edge && (edges.empty() || edges.back().second != *edge)) edges.emplace_back(&q, *edge);
  }
  std::vector<std::unique_ptr<Family>> out;
  for (const auto& [q, edge] : edges) {
    const auto gain = [&](double shift) { return shape->log_odds_of_shift(edge, shift); };
    CountSettings s;
    s.metric = q->metric;
    s.edge_seconds = ExpHistogram::upper_bound(edge);
    s.alpha = whole / static_cast<double>(
                          edges.size());  // an edge that falls away leaves its share to the others
    s.margin = gain(std::log1p(q->margin));
    s.floor = o.placebo ? 0 : gain(kRestartShift);
    s.widening = trust_of(o, s.metric).widening;
    s.placebo = o.placebo;
    s.prior = kLatencyPrior;
    s.seconds_per_step = o.step_seconds;
    if (q->early_limit > 0) {
      s.early_limit = gain(std::log1p(q->early_limit));
      s.early_limit_text = fmt::format("less than {:.0f} % slower", 100 * q->early_limit);
    }
    if (q->share == Share::latency_p90 && o.must_see_latency_ratio > 1) {
      s.must_see = {.log_odds = gain(std::log(o.must_see_latency_ratio)), .added_share = 0};
      s.must_see_text = fmt::format("{} times the latency", o.must_see_latency_ratio);
    }
    for (size_t i = 0; i < kRatios.size(); ++i) {
      s.effects[i] = {.log_odds = gain(std::log(kRatios[i])), .shown = kRatios[i]};
    }
    out.push_back(
        std::unique_ptr<Family>(new LatencyFamily(std::move(s), blocks_above(history, edge), shape,
                                                  edge, margin_of(o, *shape, edge, q->stream))));
  }
  return out;
}

LatencyFamily::LatencyFamily(CountSettings settings, std::span<const HostBlocks> history,
                             std::shared_ptr<const LatencyShape> shape, int32_t edge,
                             WarmupMargin margin)
    : CountFamily(std::move(settings), history),
      shape_(std::move(shape)),
      edge_(edge),
      margin_(std::move(margin)) {}

CountFamily::Reading LatencyFamily::read(const HostStep& step) const {
  if (!step.latency) return {};
  return {.requests = static_cast<double>(step.latency->total()),
          .bad = slower_than(*step.latency, edge_)};
}

double LatencyFamily::fade(double age_seconds) const {
  return margin_.at(age_seconds);
}

std::optional<double> LatencyFamily::shown(double log_odds) const {
  const auto shift = shape_->shift_of_log_odds(edge_, log_odds);
  if (!shift) return std::nullopt;
  return std::exp(*shift);
}

}  // namespace serin::judge
