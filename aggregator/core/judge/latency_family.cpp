#include "aggregator/core/judge/latency_family.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/families.h"

namespace serin::judge {
namespace {

constexpr double kLeastAbove = 5;         // requests above an edge, or it is noise
constexpr uint64_t kLeastRequests = 200;  // in the whole past, or there is no shape to speak of
constexpr double kRestartShift = 0.02;    // restart-to-restart change of a host's latency
constexpr double kRareFloor = 0.10;       // the same of its rare requests, log odds, as for errors
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

}  // namespace

ExpHistogram usual_latency(std::span<const HostHistory> history) {
  ExpHistogram all;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      if (block.latency) all.merge(*block.latency);
    }
  }
  return all;
}

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

bool LatencyShape::tells(int32_t bucket) const {
  return slower(upper(bucket)) * total_ >= kLeastAbove;
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

namespace {

/// The bucket whose upper bound is nearest to the limit.
int32_t edge_of_limit(double seconds) {
  const int32_t bucket = ExpHistogram::index_of(seconds);
  const double above = std::log(ExpHistogram::upper_bound(bucket) / seconds);
  return above <= 0.5 * bucket_width() ? bucket : std::max(bucket - 1, ExpHistogram::kMinIndex);
}

}  // namespace

bool LatencyFamily::present(std::span<const HostHistory> history) {
  uint64_t requests = 0;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      if (block.latency) requests += block.latency->total();
    }
  }
  return requests >= kLeastRequests;
}

WarmupMargin LatencyFamily::margin_of(const Options& o, const LatencyShape& shape, int32_t edge,
                                      std::optional<WarmupStream> stream) {
  const double amplitude = std::log(std::max(o.warmup_factor_latency, 1.0));
  const double tau = std::max(o.warmup_tau_latency_seconds, 1e-3);
  return WarmupMargin(
      [&](double age) { return shape.log_odds_of_shift(edge, amplitude * std::exp(-age / tau)); },
      stream ? o.warmup.get() : nullptr, stream.value_or(WarmupStream::latency_p999));
}

std::vector<HostBlocks> LatencyFamily::blocks_above(std::span<const HostHistory> history,
                                                    int32_t edge) {
  return blocks_of(history, [edge](const HostHistory::Block& b) -> std::optional<BlockCount> {
    if (!b.latency) return std::nullopt;
    return BlockCount{.index = b.index,
                      .requests = static_cast<double>(b.latency->total()),
                      .bad = static_cast<double>(b.latency->above(edge))};
  });
}

namespace {

/// What differs between the streams.
struct Stream {
  const char* metric;
  std::optional<WarmupStream> warmup{};  // absent: earlier restarts tell nothing of it
  double margin;                         // as a share of latency
  double early_limit = 0;                // likewise; 0: an early pass does not ask
  bool must_see = false;
  bool limit = false;  // the operator's own
};

using Edges = std::vector<std::pair<Stream, int32_t>>;

/// Distinct edges, the operator's last.
Edges edges_of(const Options& o, const LatencyShape& shape) {
  const std::pair<Stream, double> quantiles[] = {
      {{.metric = "latency_p50",
        .warmup = WarmupStream::latency_p50,
        .margin = o.latency_p50,
        .early_limit = .20},
       .5},
      {{.metric = "latency_p90",
        .warmup = WarmupStream::latency_p90,
        .margin = o.latency_p90,
        .early_limit = .20,
        .must_see = true},
       .1},
      {{.metric = "latency_p99",
        .warmup = WarmupStream::latency_p99,
        .margin = o.latency_p99,
        .early_limit = .25},
       .01},
      {{.metric = "latency_p999", .warmup = WarmupStream::latency_p999, .margin = o.latency_p99},
       .001},
  };
  Edges edges;
  for (const auto& [stream, above] : quantiles) {
    const auto edge = shape.edge(above);
    if (edge && (edges.empty() || edges.back().second != *edge)) edges.emplace_back(stream, *edge);
  }
  if (edges.empty() || o.latency_slo_seconds <= 0) return edges;
  const int32_t limit = edge_of_limit(o.latency_slo_seconds);
  if (std::ranges::find(edges, limit, &Edges::value_type::second) == edges.end()) {
    edges.emplace_back(Stream{.metric = "latency_slo", .margin = o.latency_p99, .limit = true},
                       limit);
  }
  return edges;
}

CountSettings settings_of(const Options& o, const Stream& stream, const LatencyShape& shape,
                          int32_t edge) {
  const auto gain = [&](double shift) { return shape.log_odds_of_shift(edge, shift); };
  CountSettings s;
  s.metric = stream.metric;
  s.edge_seconds = ExpHistogram::upper_bound(edge);
  s.margin = gain(std::log1p(stream.margin));
  s.floor = o.placebo ? 0 : gain(kRestartShift);
  s.prior = kLatencyPrior;
  if (!shape.tells(edge)) {
    // What hardly ever happens is like an error, and has no shape to read margins off.
    s.margin = std::max(s.margin, std::log1p(o.errors_relative));
    s.floor = o.placebo ? 0 : std::max(s.floor, kRareFloor);
    s.prior = kErrorPrior;
  }
  if (stream.limit) s.least_share = o.errors_absolute;
  s.widening = trust_of(o, s.metric).widening;
  s.placebo = o.placebo;
  s.seconds_per_step = o.step_seconds;
  if (stream.early_limit > 0) {
    s.early_limit = gain(std::log1p(stream.early_limit));
    s.early_limit_text = fmt::format("less than {:.0f} % slower", 100 * stream.early_limit);
  }
  if (stream.must_see && o.must_see_latency_ratio > 1) {
    s.must_see = {.log_odds = gain(std::log(o.must_see_latency_ratio)), .added_share = 0};
    s.must_see_text = fmt::format("{} times the latency", o.must_see_latency_ratio);
  }
  for (size_t i = 0; i < kRatios.size(); ++i) {
    s.effects[i] = {.log_odds = gain(std::log(kRatios[i])), .shown = kRatios[i]};
  }
  return s;
}

}  // namespace

std::vector<std::unique_ptr<Family>> LatencyFamily::make(const Options& o,
                                                         const std::array<double, kShares>& alpha,
                                                         std::span<const HostHistory> history) {
  double whole = 0;  // an edge that falls away leaves its share to the others
  for (const Share share :
       {Share::latency_p50, Share::latency_p90, Share::latency_p99, Share::latency_p999}) {
    whole += alpha[static_cast<size_t>(share)];
  }
  const auto shape = std::make_shared<const LatencyShape>(usual_latency(history));
  const Edges edges = edges_of(o, *shape);
  std::vector<std::unique_ptr<Family>> out;
  for (const auto& [stream, edge] : edges) {
    CountSettings settings = settings_of(o, stream, *shape, edge);
    settings.alpha = whole / static_cast<double>(edges.size());
    out.push_back(std::unique_ptr<Family>(
        new LatencyFamily(std::move(settings), blocks_above(history, edge), shape, edge,
                          margin_of(o, *shape, edge, stream.warmup))));
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
          .bad = static_cast<double>(step.latency->above(edge_))};
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
