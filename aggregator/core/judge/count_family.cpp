#include "aggregator/core/judge/count_family.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/count_metric.h"

namespace serin::judge {
namespace {

constexpr double kErrorFloor = 0.10;  // restart-to-restart change of a host's errors, log odds
constexpr double kEarlyErrorRatio = 1.5;
constexpr std::array<double, Foresight::kEffects> kErrorRatios = {1.5, 2, 3, 5, 10, 50};

}  // namespace

CountFamily::CountFamily(CountSettings settings, std::span<const HostBlocks> history)
    : settings_(std::move(settings)),
      spread_(history, settings_.prior, settings_.floor, settings_.law) {}

void CountFamily::observe(const StepView& view) {
  canary_.clear();  // keeps its storage
  for (const HostStep& host : view.canary) {
    const Reading r = read(host);
    canary_.push_back({.requests = r.requests, .bad = r.bad, .fade = fade(host.age_seconds)});
  }
  baseline_requests_ = baseline_bad_ = 0;
  double weights = 0, level = 0;
  for (const HostStep& host : view.baseline) {
    const Reading r = read(host);
    baseline_requests_ += r.requests;
    baseline_bad_ += r.bad;
    const double weight = spread_.weight(host.host);
    weights += weight;
    level += weight * std::exp(spread_.level(host.host));
  }
  shift_ = weights > 0 ? spread_.reference_level() - std::log(level / weights) : 0;
}

std::unique_ptr<Metric> CountFamily::open(const Scope& scope, size_t baseline_hosts, double alpha) {
  return std::make_unique<CountMetric>(*this, scope,
                                       std::max(baseline_hosts, spread_.baseline_hosts()), alpha);
}

namespace {

std::vector<HostBlocks> error_blocks(std::span<const HostHistory> history) {
  std::vector<HostBlocks> out;
  for (const auto& h : history) {
    HostBlocks& host = out.emplace_back();
    host.host = h.host;
    host.canary = h.canary;
    for (const auto& b : h.blocks) {
      host.blocks.push_back({.index = b.index,
                             .requests = static_cast<double>(b.requests),
                             .bad = static_cast<double>(std::min(b.errors, b.requests))});
    }
  }
  return out;
}

CountSettings error_settings(const Options& o, double alpha) {
  CountSettings s;
  s.metric = "errors";
  s.alpha = alpha;
  s.margin = std::log1p(o.errors_relative);
  s.floor = kErrorFloor;
  s.prior = kErrorPrior;
  s.least_share = o.errors_absolute;
  s.seconds_per_step = o.step_seconds;
  s.early_limit = std::log(kEarlyErrorRatio);
  s.early_limit_text = fmt::format("an error rate below {} times the baseline's", kEarlyErrorRatio);
  s.must_see = {.log_odds = 0, .added_share = o.must_see_errors};
  s.must_see_text = fmt::format("errors on another {:.3g} % of requests", 100 * o.must_see_errors);
  for (size_t i = 0; i < kErrorRatios.size(); ++i) {
    s.effects[i] = {.log_odds = std::log(kErrorRatios[i]), .shown = kErrorRatios[i]};
  }
  return s;
}

}  // namespace

ErrorFamily::ErrorFamily(const Options& options, double alpha, std::span<const HostHistory> history)
    : CountFamily(error_settings(options, alpha), error_blocks(history)),
      fade_amplitude_(std::log(std::max(options.warmup_factor_errors, 1.0))),
      fade_tau_(std::max(options.warmup_tau_errors_seconds, 1e-3)) {}

CountFamily::Reading ErrorFamily::read(const HostStep& step) const {
  return {.requests = static_cast<double>(step.requests),
          .bad = static_cast<double>(std::min(step.errors, step.requests))};
}

// Errors are rare, so that a ratio of odds is a ratio of rates.
std::optional<double> ErrorFamily::shown(double log_odds) const {
  return std::exp(log_odds);
}

double ErrorFamily::fade(double age_seconds) const {
  return fade_amplitude_ * std::exp(-std::max(age_seconds, 0.0) / fade_tau_);
}

}  // namespace serin::judge
