#pragma once

#include <vector>

#include "aggregator/core/judge/metric.h"

// Processes that end by themselves: a Poisson mixture against the rate that the history shows, at
// least one an hour and host. Fires at the second crash in quick succession, else at the third.

namespace serin::judge {

class RestartFamily final : public Family {
 public:
  RestartFamily(const Options& options, double alpha, std::span<const HostHistory> history);

  void observe(const StepView& view) override;
  [[nodiscard]] std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                             double alpha) override;
  [[nodiscard]] double alpha() const override { return alpha_; }

  [[nodiscard]] double step_seconds() const { return step_seconds_; }
  /// Ends a host and second that nobody wonders at.
  [[nodiscard]] double usual_rate() const { return usual_rate_; }
  /// Of the baseline, over the watch; absent before its first step.
  [[nodiscard]] std::optional<double> baseline_rate() const;

 private:
  double alpha_, step_seconds_, usual_rate_;
  double baseline_ends_ = 0, baseline_seconds_ = 0;
};

}  // namespace serin::judge
