#pragma once

#include "aggregator/core/judge/count_family.h"
#include "aggregator/core/judge/early_pass.h"
#include "aggregator/core/judge/effect_interval.h"

namespace serin::judge {

/// What the test of this scope is made of.
CountOptions count_options(const CountFamily& family, const Scope& scope, size_t baseline_hosts,
                           double alpha);

/// Where worse is lower, the baseline's surplus is judged: both cohorts change places.
void mirror(Counts& counts, Offset& offset);
/// What the test itself says; `host` is absent for the pool.
Finding finding_of(const CountFamily& family, std::optional<uint32_t> host, const CountPlan& plan,
                   const Detector& detector);

/// One count metric of one scope: the test, what it has seen, what it would have seen.
class CountMetric final : public Metric {
 public:
  CountMetric(const CountFamily& family, const Scope& scope, size_t baseline_hosts, double alpha);

  void step(const StepView& view, std::span<const size_t> rows) override;
  [[nodiscard]] Finding finding() const override;
  [[nodiscard]] bool fired() const override { return detector_.fired(); }
  [[nodiscard]] std::optional<std::string> half_way() const override;
  [[nodiscard]] std::optional<std::string> against_early_pass() const override;
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override;

 private:
  [[nodiscard]] bool asks_at_end() const;

  const CountFamily& family_;
  std::optional<uint32_t> host_;
  CountPlan plan_;
  Detector detector_;
  EffectInterval interval_;
  Foresight foresight_;
  EarlyPass early_;
  Counts total_;
  double fade_ = 0;  // of the last step with requests
};

}  // namespace serin::judge
