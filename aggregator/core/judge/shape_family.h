#pragma once

#include <optional>
#include <vector>

#include "aggregator/core/judge/alpha_budget.h"
#include "aggregator/core/judge/latency_family.h"
#include "aggregator/core/judge/metric.h"
#include "aggregator/core/judge/shape_table.h"

// The whole latency histogram at once, beside the four thresholds: quicker on stretched tails and
// on slow modes. The baseline's own histogram of the last half minute stands for "usual"; where it
// moves at once for the whole fleet, the step is left out and learnt anew.

namespace serin::judge {

class ShapeFamily final : public Family {
 public:
  ShapeFamily(const Options& options, double alpha, std::span<const HostHistory> history);

  void observe(const StepView& view) override;
  [[nodiscard]] std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                             double alpha) override;
  [[nodiscard]] double alpha() const override { return alpha_; }
  /// The engine costs about 0.1 ms a step: for the pool, and for the first few hosts.
  [[nodiscard]] bool covers(const Scope& scope) const override;

  [[nodiscard]] const BucketRange& range() const { return range_; }
  [[nodiscard]] const Options& options() const { return options_; }
  /// Usual shares by bucket, and a number that changes with them.
  [[nodiscard]] std::span<const double> usual() const { return usual_; }
  [[nodiscard]] uint64_t edition() const { return edition_; }
  /// Counts of the baseline in this step.
  [[nodiscard]] std::span<const double> baseline() const { return baseline_; }
  [[nodiscard]] double baseline_total() const { return baseline_total_; }
  [[nodiscard]] bool stale() const { return stale_; }
  /// Log latency that a process of this age may still lose to warming up.
  [[nodiscard]] double fade(double age_seconds) const { return fade_.at(age_seconds); }
  /// Later epochs that a watch can hold at the usual traffic, at least 1.
  [[nodiscard]] double later_epochs() const { return later_epochs_; }
  [[nodiscard]] bool assumed() const { return spread_.assumed(); }

 private:
  static constexpr size_t kGroups = 16;
  ShapeFamily(const Options& options, double alpha, std::span<const HostHistory> history,
              const ExpHistogram& past);
  void refresh();
  [[nodiscard]] bool moved() const;

  Options options_;
  double alpha_;
  BucketRange range_;
  Spread spread_;     ///< at the median
  double slope_ = 1;  ///< log odds at the median per log latency
  double later_epochs_ = 1;
  std::vector<double> past_, recent_, usual_, baseline_;
  std::vector<size_t> group_;  ///< of each bucket: 16 groups that are equally usual
  std::array<double, kGroups> group_share_{};
  double baseline_total_ = 0, since_refresh_ = 0;
  WarmupMargin fade_;
  size_t host_engines_ = 0;
  uint64_t edition_ = 0;
  bool stale_ = false;
};

}  // namespace serin::judge
