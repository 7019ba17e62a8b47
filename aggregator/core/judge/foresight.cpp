#include "aggregator/core/judge/foresight.h"

#include <algorithm>
#include <cmath>

namespace serin::judge {
namespace {

constexpr double kTickSeconds = 10;
constexpr double kLower10Percent =
    1.2815515655446004;  // normal quantile: 90 % of runs count at least that
constexpr double kMaxShare = 0.95;
constexpr double kLeastProgress = 0.02;  // below it an extrapolation says nothing
constexpr double kFaded = 0.1;           // log odds of warm-up margin that slow nothing down

CountOptions ticked(CountOptions o) {
  o.cap_factor = kTickSeconds / o.seconds_per_step;
  o.seconds_per_step = kTickSeconds;
  return o;
}

double share_under(const Effect& effect, double baseline_share, bool unbounded) {
  if (unbounded) return baseline_share * std::exp(effect.log_odds) + effect.added_share;
  const double odds =
      baseline_share / std::max(1 - baseline_share, 1e-9) * std::exp(effect.log_odds);
  return std::min(odds / (1 + odds) + effect.added_share, kMaxShare);
}

}  // namespace

Foresight::Foresight(const CountPlan& plan, double least_share,
                     std::span<const Effect, kEffects> effects, const Effect& must_see)
    : plan_(std::make_unique<CountPlan>(ticked(plan.options))),
      effects_([&]<size_t... I>(std::index_sequence<I...>) {
        return std::array<Watch, kEffects>{
            Watch{.effect = effects[I], .detector = Detector(*plan_, least_share)}...};
      }(std::make_index_sequence<kEffects>())),
      must_see_{.effect = must_see, .detector = Detector(*plan_, least_share)},
      step_seconds_(plan.options.seconds_per_step) {}

void Foresight::step(const Counts& c, const Offset& offset) {
  tick_.unbounded = c.unbounded;
  tick_.canary += c.canary;
  tick_.baseline += c.baseline;
  tick_.baseline_bad += c.baseline_bad;
  faded_ += c.canary * std::exp(offset.fade);
  shifted_ += c.canary * std::exp(offset.shift);
  tick_seconds_ += step_seconds_;
  elapsed_ += step_seconds_;
  if (tick_seconds_ < kTickSeconds - 1e-9) return;
  Offset mean;
  if (tick_.canary > 0) {
    mean = {.shift = std::log(shifted_ / tick_.canary), .fade = std::log(faded_ / tick_.canary)};
  }
  fade_ = mean.fade;
  for (Watch& w : effects_) advance(w, Power::even, tick_, mean);
  advance(must_see_, Power::high, tick_, mean);
  tick_ = {};
  tick_seconds_ = faded_ = shifted_ = 0;
  check_point();
}

// How fast evidence grows now is told by the later half of the watch: at first the warm-up margin
// and the price of looking at many effects hold it back. Points that double need no history.
void Foresight::check_point() {
  if (elapsed_ < 2 * middle_seconds_) return;
  const auto move = [](Watch& w) {
    w.before = w.middle;
    w.middle = w.detector.progress();
  };
  for (Watch& w : effects_) move(w);
  move(must_see_);
  before_seconds_ = middle_seconds_;
  middle_seconds_ = elapsed_;
}

void Foresight::advance(Watch& watch, Power power, const Counts& tick, const Offset& offset) {
  if (watch.detector.fired()) return;
  const double baseline = tick.baseline > 0 ? tick.baseline_bad / tick.baseline : 0;
  watch.expected += tick.canary * share_under(watch.effect, baseline, tick.unbounded);
  double by_now = watch.expected;
  if (power == Power::high) {
    // The tenth run in ten counts fewer by chance, and on a host that is better than others by
    // nature.
    const double slow = plan_->options.null.s_slow;
    const double sd = std::sqrt(1 / std::max(by_now, 1e-9) + slow * slow);
    by_now = std::max(by_now * std::exp(-kLower10Percent * sd), watch.counted);
  }
  Counts counts = tick;
  counts.canary_bad = by_now - watch.counted;
  if (!tick.unbounded) counts.canary_bad = std::min(counts.canary_bad, tick.canary);
  watch.counted += counts.canary_bad;
  watch.detector.step(counts, offset);
}

std::optional<double> Foresight::visible_effect() const {
  for (const Watch& w : effects_) {
    if (w.detector.fired()) return w.effect.shown;
  }
  return std::nullopt;
}

std::optional<Foresight::Next> Foresight::next() const {
  for (auto w = effects_.rbegin(); w != effects_.rend(); ++w) {
    if (w->detector.fired()) continue;
    // While the margin fades, evidence gathers faster and faster: no pace to go by yet.
    const bool tells = fade_ <= kFaded;
    return Next{.shown = w->effect.shown, .seconds = tells ? seconds_to(*w) : std::nullopt};
  }
  return std::nullopt;
}

std::optional<double> Foresight::seconds_to_must_see() const {
  return seconds_to(must_see_);
}

std::optional<double> Foresight::seconds_to(const Watch& watch) const {
  const double progress = watch.detector.progress();
  if (progress >= 1) return 0;
  const bool at_middle = elapsed_ <= middle_seconds_;  // nothing came after it yet
  const double since = elapsed_ - (at_middle ? before_seconds_ : middle_seconds_);
  const double gained = progress - (at_middle ? watch.before : watch.middle);
  if (since <= 0 || progress < kLeastProgress || gained <= 0) return std::nullopt;
  return since * (1 - progress) / gained;
}

}  // namespace serin::judge
