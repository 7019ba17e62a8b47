#include "aggregator/core/judge/harm_family.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "aggregator/core/judge/families.h"

namespace serin::judge {
namespace {

constexpr double kMargin = 1.25;
constexpr double kRestartFloor = 0.10;   // restart-to-restart change, log odds
constexpr double kLeastRequests = 2000;  // without which "never" is not known
/// What fails in one second fails for one reason, and most likely in the next second too. So a host
/// is heard to say no more than so many a second (or so many times the usual), and half a minute of
/// that is one fact. With the three that a rollback needs, what one host alone sees for a minute is
/// nobody's release; without it the past of a fleet that had no such minute would not know better.
constexpr double kMostASecond = 4, kMostTimesUsual = 4, kOneFactSeconds = 30;
constexpr double kBlockSeconds = 10;
/// What fills its pools, or is met by everybody who waited for its restart, may fail at first.
constexpr double kGraceSeconds = 60;
constexpr std::array<double, Foresight::kEffects> kRatios = {1.5, 2, 3, 5, 10, 50};

template <class Sample>
std::optional<double> amount_of(Harm harm, const Sample& sample) {
  const auto& amount =
      harm == Harm::failed_connects ? sample.failed_connects : sample.accept_overflows;
  if (!amount || !std::isfinite(*amount) || *amount < 0) return std::nullopt;
  return amount;
}

/// Of which a host is not heard to say more, a second.
double most_a_second(Harm harm, std::span<const HostHistory> history) {
  double amount = 0, seconds = 0;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      const auto one = amount_of(harm, block);
      if (!one) continue;
      amount += *one;
      seconds += kBlockSeconds;
    }
  }
  return std::max(kMostASecond, seconds > 0 ? kMostTimesUsual * amount / seconds : 0);
}

/// In facts.
double bad_of(double amount, double seconds, double most) {
  return std::min(amount, most * seconds) / (most * kOneFactSeconds);
}

class HarmFamily final : public CountFamily {
 public:
  HarmFamily(const Options& o, Harm harm, double alpha, std::span<const HostHistory> history)
      : CountFamily(settings_of(o, harm, alpha), blocks_of(harm, history)),
        harm_(harm),
        most_a_second_(most_a_second(harm, history)),
        step_seconds_(o.step_seconds),
        grace_seconds_(o.placebo ? 0 : kGraceSeconds) {}

  void observe(const StepView& view) override;
  [[nodiscard]] std::unique_ptr<Metric> open(const Scope& scope, size_t baseline_hosts,
                                             double alpha) override;

  /// As it came: what evidence does not take is told all the same.
  struct Told {
    double requests = 0, amount = 0;
  };
  [[nodiscard]] const Told& baseline() const { return baseline_; }
  [[nodiscard]] Told told(const HostStep& step) const;

  [[nodiscard]] std::optional<double> shown(double log_odds) const override {
    return std::exp(log_odds);
  }

 private:
  static CountSettings settings_of(const Options& o, Harm harm, double alpha) {
    CountSettings s;
    s.metric = harm == Harm::failed_connects ? "failed_connects" : "accept_overflows";
    s.alpha = alpha;
    s.margin = std::log(kMargin);
    s.floor = o.placebo ? 0 : kRestartFloor;
    s.widening = trust_of(o, s.metric).widening;
    s.placebo = o.placebo;
    s.prior = kErrorPrior;
    s.law = Law::poisson;  // one request may try again and again
    s.seconds_per_step = o.step_seconds;
    for (size_t i = 0; i < kRatios.size(); ++i) {
      s.effects[i] = {.log_odds = std::log(kRatios[i]), .shown = kRatios[i]};
    }
    return s;
  }

  static std::vector<HostBlocks> blocks_of(Harm harm, std::span<const HostHistory> history) {
    const double most = most_a_second(harm, history);
    return judge::blocks_of(history, [&](const HostHistory::Block& b) -> std::optional<BlockCount> {
      const auto amount = amount_of(harm, b);
      if (!amount) return std::nullopt;
      return BlockCount{.index = b.index,
                        .requests = static_cast<double>(b.requests),
                        .bad = bad_of(*amount, kBlockSeconds, most)};
    });
  }

  [[nodiscard]] Reading read(const HostStep& step) const override {
    const Told told = this->told(step);
    return {.requests = told.requests,
            .bad = bad_of(told.amount, std::max(step.seconds, step_seconds_), most_a_second_)};
  }
  [[nodiscard]] double fade(double) const override { return 0; }  // by then it has

  Harm harm_;
  double most_a_second_, step_seconds_, grace_seconds_;
  Told baseline_;
};

/// Says what came, beside the evidence.
class HarmMetric final : public Metric {
 public:
  HarmMetric(const HarmFamily& family, std::unique_ptr<Metric> evidence)
      : family_(family), evidence_(std::move(evidence)) {}

  void step(const StepView& view, std::span<const size_t> rows) override {
    evidence_->step(view, rows);
    if (!view.comparable || rows.empty()) return;
    add(baseline_, family_.baseline());
    for (const size_t row : rows) add(canary_, family_.told(view.canary[row]));
  }
  [[nodiscard]] Finding finding() const override {
    Finding f = evidence_->finding();
    f.canary = rate(canary_);
    f.baseline = rate(baseline_);
    f.effect = f.effect_low = f.effect_high = std::nullopt;  // of what evidence takes
    if (canary_.requests <= 0) f.judged_from_seconds = kGraceSeconds;
    return f;
  }
  [[nodiscard]] bool fired() const override { return evidence_->fired(); }
  [[nodiscard]] std::optional<std::string> half_way() const override {
    return evidence_->half_way();
  }
  [[nodiscard]] std::optional<std::string> against_early_pass() const override {
    return half_way();
  }
  [[nodiscard]] std::optional<std::string> against_pass_at_end() const override {
    return half_way();
  }

 private:
  static void add(HarmFamily::Told& sum, const HarmFamily::Told& more) {
    sum.requests += more.requests;
    sum.amount += more.amount;
  }
  static std::optional<double> rate(const HarmFamily::Told& told) {
    if (told.requests <= 0) return std::nullopt;
    return told.amount / told.requests;
  }

  const HarmFamily& family_;
  std::unique_ptr<Metric> evidence_;
  HarmFamily::Told canary_, baseline_;
};

HarmFamily::Told HarmFamily::told(const HostStep& step) const {
  const auto amount = amount_of(harm_, step);
  if (!amount || step.age_seconds < grace_seconds_) return {};
  // What hangs in connecting may finish no request at all.
  const double least = *amount > 0 ? 1 : 0;
  return {.requests = std::max(static_cast<double>(step.requests), least), .amount = *amount};
}

void HarmFamily::observe(const StepView& view) {
  CountFamily::observe(view);
  baseline_ = {};
  for (const HostStep& host : view.baseline) {
    const Told one = told(host);
    baseline_.requests += one.requests;
    baseline_.amount += one.amount;
  }
}

std::unique_ptr<Metric> HarmFamily::open(const Scope& scope, size_t baseline_hosts, double alpha) {
  auto evidence = CountFamily::open(scope, baseline_hosts, alpha);
  if (settings().placebo) return evidence;
  return std::make_unique<HarmMetric>(*this, std::move(evidence));
}

}  // namespace

bool harm_present(Harm harm, std::span<const HostHistory> history) {
  double requests = 0;
  for (const auto& host : history) {
    for (const auto& block : host.blocks) {
      if (amount_of(harm, block)) requests += static_cast<double>(block.requests);
    }
  }
  return requests >= kLeastRequests;
}

std::unique_ptr<Family> make_harm_family(const Options& options, Harm harm, double alpha,
                                         std::span<const HostHistory> history) {
  return std::make_unique<HarmFamily>(options, harm, alpha, history);
}

}  // namespace serin::judge
