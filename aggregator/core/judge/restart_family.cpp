#include "aggregator/core/judge/restart_family.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace serin::judge {
namespace {

constexpr double kLeastUsualRate = 1.0 / 3600;
constexpr double kBlockSeconds = 10;
constexpr std::array<double, 3> kFactors = {10, 100, 1000};

class RestartMetric final : public Metric {
 public:
  RestartMetric(const RestartFamily& family, const Scope& scope, double alpha)
      : family_(family), scope_(scope), threshold_(-std::log(alpha)) {}

  void step(const StepView& view, std::span<const size_t> rows) override {
    for (const size_t row : rows) ends_ += view.canary[row].unexpected_ends;
    // A host that is down for the moment is exposed as well.
    seconds_ += family_.step_seconds() * static_cast<double>(scope_.hosts.size());
    const double usual = family_.usual_rate() * seconds_;
    double top = -HUGE_VAL;
    std::array<double, kFactors.size()> gain{};
    for (size_t j = 0; j < gain.size(); ++j) {
      gain[j] = ends_ * std::log(kFactors[j]) - usual * (kFactors[j] - 1);
      top = std::max(top, gain[j]);
    }
    double sum = 0;
    for (const double g : gain) sum += std::exp(g - top);
    evidence_ = top + std::log(sum / static_cast<double>(gain.size()));
    if (evidence_ >= threshold_ && !fired_) {
      fired_ = true;
      at_firing_ = evidence_;
    }
  }

  [[nodiscard]] Finding finding() const override {
    Finding f;
    f.metric = "restarts";
    f.host = scope_.host;
    f.process = "PM";
    f.log_evidence = fired_ ? std::max(at_firing_, evidence_) : evidence_;
    f.threshold = threshold_;
    f.fired = fired_;
    if (seconds_ > 0) f.canary = ends_ / seconds_;
    f.baseline = family_.baseline_rate();
    return f;
  }

  [[nodiscard]] bool fired() const override { return fired_; }

  [[nodiscard]] std::optional<std::string> half_way() const override {
    if (evidence_ <= 0.5 * threshold_) return std::nullopt;
    return fmt::format("restarts: {:.0f} unexpected ends, half way to a rollback", ends_);
  }
  [[nodiscard]] std::optional<std::string> against_early_pass() const override {
    return half_way();
  }
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override {
    return half_way();
  }

 private:
  const RestartFamily& family_;
  Scope scope_;
  double threshold_, ends_ = 0, seconds_ = 0, evidence_ = 0, at_firing_ = 0;
  bool fired_ = false;
};

// Upper end of what the history allows: the count and two standard deviations.
double usual_rate_of(std::span<const HostHistory> history) {
  double ends = 0, seconds = 0;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      ends += block.unexpected_ends;
      seconds += kBlockSeconds;
    }
  }
  if (ends <= 0) return kLeastUsualRate;
  return std::max(kLeastUsualRate, (ends + 2 * std::sqrt(ends)) / seconds);
}

}  // namespace

RestartFamily::RestartFamily(const Options& options, double alpha,
                             std::span<const HostHistory> history)
    : alpha_(alpha), step_seconds_(options.step_seconds), usual_rate_(usual_rate_of(history)) {}

void RestartFamily::observe(const StepView& view) {
  for (const HostStep& host : view.baseline) {
    baseline_ends_ += host.unexpected_ends;
    baseline_seconds_ += step_seconds_;
  }
}

std::optional<double> RestartFamily::baseline_rate() const {
  if (baseline_seconds_ <= 0) return std::nullopt;
  return baseline_ends_ / baseline_seconds_;
}

std::unique_ptr<Metric> RestartFamily::open(const Scope& scope, size_t, double alpha) {
  return std::make_unique<RestartMetric>(*this, scope, alpha);
}

}  // namespace serin::judge
