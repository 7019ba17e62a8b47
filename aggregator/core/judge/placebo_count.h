#pragma once

#include "aggregator/core/judge/count_family.h"

namespace serin::judge {

/// A count metric of one untouched host: the test alone. What people would ask of a canary (how
/// large the effect is, what would have been seen by now) nobody asks of a placebo, and it is most
/// of the cost.
class PlaceboCount final : public Metric {
 public:
  PlaceboCount(const CountFamily& family, const Scope& scope, size_t baseline_hosts, double alpha);

  void step(const StepView& view, std::span<const size_t> rows) override;
  [[nodiscard]] Finding finding() const override;
  [[nodiscard]] bool fired() const override { return detector_.fired(); }
  // Placebos are not released.
  [[nodiscard]] std::optional<std::string> half_way() const override { return std::nullopt; }
  [[nodiscard]] std::optional<std::string> against_early_pass() const override {
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override {
    return std::nullopt;
  }

 private:
  const CountFamily& family_;
  uint32_t host_;
  CountPlan plan_;
  Detector detector_;
};

}  // namespace serin::judge
