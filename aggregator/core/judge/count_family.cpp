#include "aggregator/core/judge/count_family.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/count_metric.h"
#include "aggregator/core/judge/families.h"
#include "aggregator/core/judge/placebo_count.h"

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
  all_ = {};
  for (const HostStep& host : view.baseline) add(all_, host, 1);
  use(all_);
}

void CountFamily::set_apart(const StepView& view, size_t row) {
  Sums others = all_;
  add(others, view.canary[row], -1);
  use(others);
}

void CountFamily::add(Sums& sums, const HostStep& host, double sign) const {
  const Reading r = read(host);
  const double weight = sign * spread_.weight(host.host);
  sums.requests += sign * r.requests;
  sums.bad += sign * r.bad;
  sums.weight += weight;
  sums.level += weight * std::exp(spread_.level(host.host));
}

void CountFamily::use(const Sums& sums) {
  // What was added and taken away again may leave a rounding error.
  baseline_requests_ = std::max(sums.requests, 0.0);
  baseline_bad_ = std::max(sums.bad, 0.0);
  const bool known = sums.weight > 0 && sums.level > 0;
  shift_ = known ? spread_.reference_level() - std::log(sums.level / sums.weight) : 0;
}

std::unique_ptr<Metric> CountFamily::open(const Scope& scope, size_t baseline_hosts, double alpha) {
  if (settings_.placebo) {
    return std::make_unique<PlaceboCount>(*this, scope, baseline_hosts, alpha);
  }
  return std::make_unique<CountMetric>(*this, scope,
                                       std::max(baseline_hosts, spread_.baseline_hosts()), alpha);
}

namespace {

std::vector<HostBlocks> error_blocks(std::span<const HostHistory> history) {
  return blocks_of(history, [](const HostHistory::Block& b) -> std::optional<BlockCount> {
    return BlockCount{.index = b.index,
                      .requests = static_cast<double>(b.requests),
                      .bad = static_cast<double>(std::min(b.errors, b.requests))};
  });
}

CountSettings error_settings(const Options& o, double alpha) {
  CountSettings s;
  s.metric = "errors";
  s.alpha = alpha;
  s.margin = std::log1p(o.errors_relative);
  s.floor = o.placebo ? 0 : kErrorFloor;
  s.widening = trust_of(o, s.metric).widening;
  s.placebo = o.placebo;
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
      margin_(
          [&](double age) {
            return std::log(std::max(options.warmup_factor_errors, 1.0)) *
                   std::exp(-age / std::max(options.warmup_tau_errors_seconds, 1e-3));
          },
          options.warmup.get(), WarmupStream::errors) {}

CountFamily::Reading ErrorFamily::read(const HostStep& step) const {
  return {.requests = static_cast<double>(step.requests),
          .bad = static_cast<double>(std::min(step.errors, step.requests))};
}

// Errors are rare, so that a ratio of odds is a ratio of rates.
std::optional<double> ErrorFamily::shown(double log_odds) const {
  return std::exp(log_odds);
}

double ErrorFamily::fade(double age_seconds) const {
  return margin_.at(age_seconds);
}

}  // namespace serin::judge
