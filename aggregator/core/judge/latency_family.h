#pragma once

#include <array>

#include "aggregator/core/judge/alpha_budget.h"
#include "aggregator/core/judge/count_family.h"

// Latency as four counts: requests slower than the baseline's usual p50, p90, p99 and p99.9; and a
// fifth, slower than the limit that the operator sets. Edges are buckets of the pooled history,
// fixed before the watch. Everything that is said in latency
// (margins, warm-up, effects) is turned into log odds by shifting that histogram.

namespace serin::judge {

/// The usual latencies: all hosts of the old version, before the deploy.
class LatencyShape {
 public:
  explicit LatencyShape(const ExpHistogram& usual);

  /// Share of requests slower than exp(log_seconds), linear in between.
  [[nodiscard]] double slower(double log_seconds) const;
  /// Bucket whose upper bound leaves nearest to `share` above it, on a log scale; absent where
  /// fewer than five requests would be left.
  [[nodiscard]] std::optional<int32_t> edge(double share) const;
  /// Whether enough requests are usually slower than this bucket to speak of their shape.
  [[nodiscard]] bool tells(int32_t bucket) const;
  /// Log odds that the share above `bucket` gains when all requests take exp(shift) times as long.
  [[nodiscard]] double log_odds_of_shift(int32_t bucket, double shift) const;
  /// The shift that gives this gain; absent beyond what the histogram can tell.
  [[nodiscard]] std::optional<double> shift_of_log_odds(int32_t bucket, double log_odds) const;

 private:
  int32_t offset_ = 0;
  double total_ = 0;
  std::vector<double> above_;  // share of requests above bucket offset_ + i
};

/// The latencies of all hosts, before the deploy.
ExpHistogram usual_latency(std::span<const HostHistory> history);

/// Requests slower than one edge.
class LatencyFamily final : public CountFamily {
 public:
  /// One family per distinct edge that the history has; empty without latencies in the past.
  static std::vector<std::unique_ptr<Family>> make(const Options& options,
                                                   const std::array<double, kShares>& alpha,
                                                   std::span<const HostHistory> history);
  /// Whether the history holds enough latencies for edges.
  static bool present(std::span<const HostHistory> history);
  /// Log odds above `edge` that a process may lose to warming up; `stream` is the edge's.
  static WarmupMargin margin_of(const Options& options, const LatencyShape& shape, int32_t edge,
                                std::optional<WarmupStream> stream);
  /// The past as counts of requests slower than the upper bound of `edge`.
  static std::vector<HostBlocks> blocks_above(std::span<const HostHistory> history, int32_t edge);

  [[nodiscard]] std::optional<double> shown(double log_odds) const override;

 private:
  LatencyFamily(CountSettings settings, std::span<const HostBlocks> history,
                std::shared_ptr<const LatencyShape> shape, int32_t edge, WarmupMargin margin);

  [[nodiscard]] Reading read(const HostStep& step) const override;
  [[nodiscard]] double fade(double age_seconds) const override;

  std::shared_ptr<const LatencyShape> shape_;
  int32_t edge_;
  WarmupMargin margin_;
};

}  // namespace serin::judge
