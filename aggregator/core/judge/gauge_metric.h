#pragma once

#include "aggregator/core/judge/gauge_family.h"

namespace serin::judge {

/// Leaks: at ages that grow by 15 % the slope over the last half of the youngest host's life is
/// compared with the slopes of the baseline's hosts over the same time. A fixed number of looks
/// shares alpha evenly.
class LeakTest {
 public:
  LeakTest(const LeakSettings& settings, double window_seconds, double alpha);

  /// Once per closed block. `age`: of the youngest host at the block's end.
  void look(const GaugeFamily& family, const Scope& scope, double age);

  [[nodiscard]] bool fired() const { return fired_; }
  [[nodiscard]] double log_evidence() const { return evidence_; }  ///< minus the log of the p-value
  [[nodiscard]] double threshold() const { return threshold_; }

  /// The last look, a second: absent before it. The interval of the difference holds at all looks
  /// together with probability 0.95.
  struct Growth {
    double canary = 0, others = 0, low = 0, high = 0;
  };
  [[nodiscard]] const std::optional<Growth>& growth() const { return growth_; }
  [[nodiscard]] const LeakSettings& settings() const { return settings_; }

 private:
  struct Excess {
    double canary = 0, others = 0, sd = 0, degrees = 0;
  };
  [[nodiscard]] std::optional<Excess> excess(const GaugeFamily& family, const Scope& scope,
                                             const GaugeFamily::Stretch& stretch) const;

  LeakSettings settings_;
  std::optional<Growth> growth_;
  std::vector<double> ages_;
  size_t next_ = 0;
  double threshold_ = 0, evidence_ = 0;
  bool fired_ = false;
};

class GaugeMetric final : public Metric {
 public:
  GaugeMetric(const GaugeFamily& family, const Scope& scope, double alpha);

  void step(const StepView& view, std::span<const size_t> rows) override;
  [[nodiscard]] Finding finding() const override;
  [[nodiscard]] bool fired() const override;
  [[nodiscard]] std::optional<std::string> half_way() const override;
  [[nodiscard]] std::optional<std::string> against_early_pass() const override {
    return half_way();
  }
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override {
    return half_way();
  }

 private:
  [[nodiscard]] bool leak_leads() const;
  /// A deviation as the ratio of levels that people see; absent where there is none usually.
  [[nodiscard]] std::optional<double> shown(double deviation) const;

  const GaugeFamily& family_;
  Scope scope_;
  int64_t seen_;  ///< last block taken in
  std::optional<LevelTest> level_;
  std::optional<LeakTest> leak_;
  LevelNull null_;
  double blocks_ = 0, canary_sum_ = 0, baseline_sum_ = 0;
  double age_ = 0;              // of the youngest host, at the last block's end
  std::optional<double> fade_;  // warm-up subtracted from the level's last block
};

}  // namespace serin::judge
