#pragma once

#include "aggregator/core/judge/shape_evidence.h"
#include "aggregator/core/judge/shape_family.h"

namespace serin::judge {

class ShapeMetric final : public Metric {
 public:
  /// Requests per canary host and epoch. With more, the null's shape would have to be known to a
  /// thousandth.
  static constexpr double kBudget = 5000;
  static constexpr double kEpochSeconds = 30;  ///< a new epoch begins at most so often

  ShapeMetric(const ShapeFamily& family, const Scope& scope, const ShapePlan& plan, double noise,
              double alpha);

  void step(const StepView& view, std::span<const size_t> rows) override;
  [[nodiscard]] Finding finding() const override;
  [[nodiscard]] bool fired() const override { return fired_; }
  [[nodiscard]] std::optional<std::string> half_way() const override;
  [[nodiscard]] std::optional<std::string> against_early_pass() const override {
    return half_way();
  }
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override {
    return half_way();
  }

 private:
  void gather(const StepView& view, std::span<const size_t> rows);
  void begin_epoch();

  const ShapeFamily& family_;
  Scope scope_;
  ShapeEvidence evidence_;
  uint64_t edition_ = 0;
  double noise_;  ///< log odds at the median, variance in time
  double alpha_, threshold_;
  std::vector<double> canary_;                     ///< counts of the step, by bucket
  std::vector<size_t> filled_;                     ///< buckets with any request in the step
  std::vector<double> all_canary_, all_baseline_;  ///< over the watch
  double canary_total_ = 0, fade_ = 0;
  double used_ = 0, epoch_seconds_ = 0, now_ = 0, at_firing_ = 0, fired_threshold_ = 0;
  bool fired_ = false;
};

}  // namespace serin::judge
