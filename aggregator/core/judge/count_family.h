#pragma once

#include <array>
#include <string>

#include "aggregator/core/judge/foresight.h"
#include "aggregator/core/judge/metric.h"

// A metric that counts requests of which some are bad: errors, requests slower than an edge, orders
// that did not come.

namespace serin::judge {

struct CountSettings {
  std::string metric;
  double alpha = 0.01;
  double margin = 0;  ///< practical margin, log odds
  double floor = 0;   ///< restart-to-restart change of a host, log odds
  SpreadPrior prior;
  Law law = Law::binomial;
  /// Worse is lower: the baseline's surplus is judged. Only for counts without an upper bound;
  /// others count what is missing.
  bool mirrored = false;
  double least_share = 0;  ///< bad shares up to this are nobody's problem
  double seconds_per_step = 1;
  double widening = 1;   ///< of the spread, for a metric that fired on untouched hosts
  bool placebo = false;  ///< judges untouched hosts
  double early_limit = 0;  ///< log odds that an early pass must exclude; 0 = it does not ask
  std::string early_limit_text;
  Effect must_see;  ///< at the window's end; no effect = it does not ask
  std::optional<double> edge_seconds;
  std::string must_see_text;
  std::array<Effect, Foresight::kEffects> effects;
};

/// The past of every host as counts: `count_of(block)` says what a block holds, nullopt leaves it
/// out.
template <class CountOf>
std::vector<HostBlocks> blocks_of(std::span<const HostHistory> history, const CountOf& count_of) {
  std::vector<HostBlocks> out;
  for (const auto& h : history) {
    HostBlocks& host = out.emplace_back();
    host.host = h.host;
    host.canary = h.canary;
    for (const auto& b : h.blocks) {
      if (const std::optional<BlockCount> count = count_of(b)) host.blocks.push_back(*count);
    }
  }
  return out;
}

class CountFamily : public Family {
 public:
  CountFamily(CountSettings settings, std::span<const HostBlocks> history);

  void observe(const StepView& view) override;
  void set_apart(const StepView& view, size_t row) override;
  [[nodiscard]] std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                             double alpha) override;
  [[nodiscard]] double alpha() const override { return settings_.alpha; }

  /// What metrics read after observe().
  struct Row {
    double requests = 0, bad = 0;
    double fade = 0;  ///< log odds that warming up may still cost
  };
  [[nodiscard]] const Row& canary(size_t row) const { return canary_[row]; }
  [[nodiscard]] double baseline_requests() const { return baseline_requests_; }
  [[nodiscard]] double baseline_bad() const { return baseline_bad_; }
  /// Change of the null because other baseline hosts report than those the spread was taken from.
  [[nodiscard]] double shift() const { return shift_; }
  [[nodiscard]] const CountSettings& settings() const { return settings_; }
  [[nodiscard]] const Spread& spread() const { return spread_; }
  /// A log odds ratio as people see it; absent where it has no such form.
  [[nodiscard]] virtual std::optional<double> shown(double log_odds) const = 0;
  /// A bad share as people see it.
  [[nodiscard]] virtual double shown_rate(double bad_share) const { return bad_share; }

 protected:
  struct Reading {
    double requests = 0, bad = 0;
  };
  [[nodiscard]] virtual Reading read(const HostStep& step) const = 0;
  /// Warm-up margin of a process of this age, log odds.
  [[nodiscard]] virtual double fade(double age_seconds) const = 0;

 private:
  CountSettings settings_;
  Spread spread_;
  std::vector<Row> canary_;
  /// Of the baseline: amounts, and level against the fleet with the weights that it is made of.
  struct Sums {
    double requests = 0, bad = 0, weight = 0, level = 0;
  };
  void add(Sums& sums, const HostStep& host, double sign) const;
  void use(const Sums& sums);

  Sums all_;
  double baseline_requests_ = 0, baseline_bad_ = 0, shift_ = 0;
};

/// Errors: requests answered with 5xx, or not at all.
class ErrorFamily final : public CountFamily {
 public:
  ErrorFamily(const Options& options, double alpha, std::span<const HostHistory> history);
  [[nodiscard]] std::optional<double> shown(double log_odds) const override;

 private:
  [[nodiscard]] Reading read(const HostStep& step) const override;
  [[nodiscard]] double fade(double age_seconds) const override;

  WarmupMargin margin_;
};

}  // namespace serin::judge
