#include "aggregator/core/judge/business_family.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "aggregator/core/judge/families.h"

namespace serin::judge {
namespace {

using Worse = BusinessCounter::Worse;

constexpr double kMargin = 1.10;
constexpr double kRestartFloor = 0.10;   // restart-to-restart change, log odds
constexpr double kLeastCount = 50;       // in the whole past, or the counter tells nothing
constexpr double kLeastRequests = 2000;  // without which a counter is known to be rare
constexpr std::array<double, Foresight::kEffects> kLess = {.9, .8, .7, .5, .2, .05};
constexpr std::array<double, Foresight::kEffects> kMore = {1.1, 1.25, 1.5, 2, 5, 10};

template <class Sample>
std::optional<double> value_of(const Sample& sample, const std::string& name) {
  for (const auto& [key, value] : sample.business) {
    if (key == name && std::isfinite(value) && value >= 0) return value;
  }
  return std::nullopt;
}

double log_odds(double share) {
  share = std::clamp(share, 1e-9, 1 - 1e-9);
  return std::log(share) - std::log1p(-share);
}

/// What the history says of one counter.
struct Past {
  double requests = 0, count = 0;
  bool unbounded = false;
  double unit = 1;  ///< what counts as one; above 1 for amounts
  /// Of a counter of which more hurts (orders that were charged twice), none at all tells much.
  [[nodiscard]] bool present(Worse worse) const {
    if (worse == Worse::higher && requests >= kLeastRequests) return true;
    return count >= kLeastCount && requests > 0;
  }
  [[nodiscard]] double share() const { return (count + 0.5) / (requests + 1); }
};

/// Variance over mean in the past, at least 1. An order of a thousand is one fact and not a
/// thousand: counted in units of this, an amount scatters as a count does.
double scatter_of(const std::string& name, std::span<const HostHistory> history) {
  struct Sum {
    double requests = 0, count = 0;
  };
  std::map<int32_t, Sum> fleet;
  const auto each = [&](const HostHistory& host, const auto& f) {
    for (const auto& block : host.blocks) {
      const auto value = value_of(block, name);
      if (value && block.requests > 0) f(block, static_cast<double>(block.requests), *value);
    }
  };
  for (const auto& host : history) {
    each(host, [&](const auto& block, double requests, double count) {
      fleet[block.index].requests += requests;
      fleet[block.index].count += count;
    });
  }
  double squares = 0, mean = 0, blocks = 0, hosts = 0;
  for (const auto& host : history) {
    double came = 0, expected = 0;
    const auto usual = [&](const auto& block, double requests) {
      const Sum& all = fleet[block.index];
      return requests * all.count / all.requests;
    };
    each(host, [&](const auto& block, double requests, double count) {
      came += count;
      expected += usual(block, requests);
    });
    if (expected <= 0) continue;
    hosts += 1;
    each(host, [&](const auto& block, double requests, double count) {
      const double mu = usual(block, requests) * came / expected;
      squares += (count - mu) * (count - mu);
      mean += mu;
      blocks += 1;
    });
  }
  if (hosts < 2 || blocks <= 2 * hosts || mean <= 0) return 1;
  // A level of each host and one of each block were taken from the same numbers.
  const double each_host = blocks / hosts;
  const double bessel = hosts / (hosts - 1) * each_host / (each_host - 1);
  return std::max(1.0, squares * bessel / mean);
}

Past past_of(const std::string& name, std::span<const HostHistory> history) {
  Past past;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      const auto value = value_of(block, name);
      if (!value) continue;
      past.requests += static_cast<double>(block.requests);
      past.count += *value;
      past.unbounded |= *value > static_cast<double>(block.requests);
    }
  }
  if (past.unbounded) past.unit = scatter_of(name, history);
  return past;
}

class BusinessFamily final : public CountFamily {
 public:
  BusinessFamily(const Options& o, const std::string& name, bool lower, const Past& past,
                 double alpha, std::span<const HostHistory> history)
      : CountFamily(settings_of(o, name, lower, past, alpha),
                    blocks_of(name, lower, past, history)),
        lower_(lower),
        past_(past),
        fade_amplitude_(std::log(std::max(o.warmup_factor_errors, 1.0))),
        fade_tau_(std::max(o.warmup_tau_errors_seconds, 1e-3)) {}

  [[nodiscard]] std::optional<double> shown(double u) const override {
    if (past_.unbounded) return std::exp(lower_ ? -u : u);
    const double usual = past_.share();
    const double bad = lower_ ? log_odds(1 - usual) : log_odds(usual);
    const double share = 1 / (1 + std::exp(-(bad + u)));
    return (lower_ ? 1 - share : share) / usual;
  }
  [[nodiscard]] double shown_rate(double bad_share) const override {
    if (past_.unbounded) return past_.unit * bad_share;
    return lower_ ? 1 - bad_share : bad_share;
  }

 private:
  static double bad_of(double count, double requests, bool lower, const Past& past) {
    if (past.unbounded) return count / past.unit;
    return lower ? std::max(requests - count, 0.0) : std::min(count, requests);
  }

  static CountSettings settings_of(const Options& o, const std::string& name, bool lower,
                                   const Past& past, double alpha) {
    CountSettings s;
    s.metric = name;
    s.alpha = alpha;
    s.margin = std::log(kMargin);
    s.floor = o.placebo ? 0 : kRestartFloor;
    s.widening = trust_of(o, name).widening;
    s.placebo = o.placebo;
    s.prior = kErrorPrior;
    s.law = past.unbounded ? Law::poisson : Law::binomial;
    s.mirrored = past.unbounded && lower;
    s.seconds_per_step = o.step_seconds;
    for (size_t i = 0; i < Foresight::kEffects; ++i) {
      const double ratio = lower ? kLess[i] : kMore[i];
      const double usual = past.share();
      double u = std::fabs(std::log(ratio));
      if (!past.unbounded) {
        u = lower ? log_odds(1 - usual * ratio) - log_odds(1 - usual)
                  : log_odds(usual * ratio) - log_odds(usual);
      }
      s.effects[i] = {.log_odds = u, .shown = ratio};
    }
    return s;
  }

  static std::vector<HostBlocks> blocks_of(const std::string& name, bool lower, const Past& past,
                                           std::span<const HostHistory> history) {
    return judge::blocks_of(history, [&](const HostHistory::Block& b) -> std::optional<BlockCount> {
      const auto value = value_of(b, name);
      if (!value) return std::nullopt;
      const double n = static_cast<double>(b.requests);
      return BlockCount{.index = b.index, .requests = n, .bad = bad_of(*value, n, lower, past)};
    });
  }

  [[nodiscard]] Reading read(const HostStep& step) const override {
    const auto value = value_of(step, settings().metric);
    if (!value) return {};
    const double n = static_cast<double>(step.requests);
    return {.requests = n, .bad = bad_of(*value, n, lower_, past_)};
  }
  [[nodiscard]] double fade(double age_seconds) const override {
    return fade_amplitude_ * std::exp(-std::max(age_seconds, 0.0) / fade_tau_);
  }

  bool lower_;
  Past past_;
  double fade_amplitude_, fade_tau_;
};

/// Both directions hurt: two tests with half of the alpha each, shown as one metric.
class EitherMetric final : public Metric {
 public:
  EitherMetric(std::unique_ptr<Metric> lower, std::unique_ptr<Metric> higher)
      : lower_(std::move(lower)), higher_(std::move(higher)) {}

  void step(const StepView& view, std::span<const size_t> rows) override {
    lower_->step(view, rows);
    higher_->step(view, rows);
  }
  [[nodiscard]] Finding finding() const override {
    Finding a = lower_->finding(), b = higher_->finding();
    if (a.fired != b.fired) return a.fired ? a : b;
    return a.log_evidence - a.threshold >= b.log_evidence - b.threshold ? a : b;
  }
  [[nodiscard]] bool fired() const override { return lower_->fired() || higher_->fired(); }
  [[nodiscard]] std::optional<std::string> half_way() const override {
    auto reason = lower_->half_way();
    return reason ? reason : higher_->half_way();
  }
  [[nodiscard]] std::optional<std::string> against_early_pass() const override {
    return half_way();
  }
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override {
    return half_way();
  }

 private:
  std::unique_ptr<Metric> lower_, higher_;
};

class EitherFamily final : public Family {
 public:
  EitherFamily(std::unique_ptr<Family> lower, std::unique_ptr<Family> higher)
      : lower_(std::move(lower)), higher_(std::move(higher)) {}

  void observe(const StepView& view) override {
    lower_->observe(view);
    higher_->observe(view);
  }
  void set_apart(const StepView& view, size_t row) override {
    lower_->set_apart(view, row);
    higher_->set_apart(view, row);
  }
  [[nodiscard]] std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                             double alpha) override {
    return std::make_unique<EitherMetric>(lower_->open(scope, baseline_hosts, 0.5 * alpha),
                                          higher_->open(scope, baseline_hosts, 0.5 * alpha));
  }
  [[nodiscard]] double alpha() const override { return lower_->alpha() + higher_->alpha(); }

 private:
  std::unique_ptr<Family> lower_, higher_;
};

}  // namespace

size_t business_counters_in(const Options& options, std::span<const HostHistory> history) {
  return static_cast<size_t>(
      std::count_if(options.business.begin(), options.business.end(),
                    [&](const auto& c) { return past_of(c.name, history).present(c.worse); }));
}

std::vector<std::unique_ptr<Family>> make_business_families(const Options& options, double alpha,
                                                            std::span<const HostHistory> history) {
  std::vector<std::unique_ptr<Family>> out;
  const size_t counters = business_counters_in(options, history);
  if (counters == 0) return out;
  const double each = alpha / static_cast<double>(counters);
  for (const auto& counter : options.business) {
    const Past past = past_of(counter.name, history);
    if (!past.present(counter.worse)) continue;
    const auto family = [&](bool lower, double share) {
      return std::make_unique<BusinessFamily>(options, counter.name, lower, past, share, history);
    };
    if (counter.worse == Worse::both) {
      out.push_back(
          std::make_unique<EitherFamily>(family(true, 0.5 * each), family(false, 0.5 * each)));
    } else {
      out.push_back(family(counter.worse == Worse::lower, each));
    }
  }
  return out;
}

}  // namespace serin::judge
