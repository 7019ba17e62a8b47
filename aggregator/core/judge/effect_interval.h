#pragma once

#include <array>
#include <optional>

#include "aggregator/core/judge/count_plan.h"

// The effect that is seen, with a confidence sequence: an interval that covers the true log odds
// ratio at all times together with probability 0.95. From the likelihood on a grid, tempered by the
// host noise, against a uniform mixture.

namespace serin::judge {

class EffectInterval {
 public:
  explicit EffectInterval(const CountPlan& plan);

  void step(const Counts& counts);

  /// Log odds ratios. Absent where the data do not bound them yet.
  [[nodiscard]] std::optional<double> estimate() const;
  [[nodiscard]] std::optional<double> low() const;
  [[nodiscard]] std::optional<double> high() const;

 private:
  static constexpr size_t kGrid = CountPlan::kGrid + CountPlan::kFar;  // also far below
  [[nodiscard]] double cut() const;  // log likelihood at and below which a value is refuted
  [[nodiscard]] double cross(size_t inside, size_t outside, double cut) const;
  [[nodiscard]] size_t best() const;

  double temper_per_information_;
  std::array<double, kGrid> u_, odds_, log_likelihood_{};
};

}  // namespace serin::judge
