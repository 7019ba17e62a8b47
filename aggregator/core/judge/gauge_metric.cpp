#include "aggregator/core/judge/gauge_metric.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "aggregator/core/judge/distributions.h"

namespace serin::judge {
namespace {

constexpr double kBlockSeconds = LevelTest::kBlockSeconds;
// A level sits out the first minute of a process, and is forgiven 10 % more that fades in 20 s.
constexpr double kGraceSeconds = 60, kFade = 0.1, kFadeTau = 20;
constexpr double kAgeRatio = 1.15;
// A cache fills ever more slowly: over the last half of a life its slope is less than this part of
// the slope over the quarter before, if it fills by 1 - 1/e within three quarters of that life.
constexpr double kStillGrowing = 0.6;
constexpr size_t kLeastHosts = 3;
constexpr double kOneSide = 0.025;  // of a 95 % interval
constexpr std::array<double, 6> kRatios = {1.1, 1.2, 1.5, 2, 3, 5};

}  // namespace

LeakTest::LeakTest(const LeakSettings& settings, double window_seconds, double alpha)
    : settings_(settings) {
  for (double age = settings.first_look_seconds; age <= window_seconds;
       age = std::max(age * kAgeRatio, age + kBlockSeconds)) {
    ages_.push_back(age);
  }
  threshold_ = -std::log(alpha / static_cast<double>(std::max<size_t>(ages_.size(), 1)));
}

std::optional<LeakTest::Excess> LeakTest::excess(const GaugeFamily& family, const Scope& scope,
                                                 const GaugeFamily::Stretch& stretch) const {
  const auto canary = family.slope(scope, stretch);
  const GaugeFamily::Slopes others = family.baseline_slopes(stretch);
  if (!canary || others.hosts < kLeastHosts) return std::nullopt;
  const double k = static_cast<double>(scope.hosts.size()), m = static_cast<double>(others.hosts);
  const double variance = others.variance + settings_.sd_floor * settings_.sd_floor;
  return Excess{.canary = *canary,
                .others = others.mean,
                .sd = family.settings().widening * std::sqrt(variance * (1 / k + 1 / m)),
                .degrees = m - 1};
}

void LeakTest::look(const GaugeFamily& family, const Scope& scope, double age) {
  double now = 0;
  while (next_ < ages_.size() && age >= ages_[next_]) now = ages_[next_++];
  if (now <= 0) return;
  const auto blocks = static_cast<int64_t>(now / kBlockSeconds);
  const int64_t to = family.closed() + 1;
  const GaugeFamily::Stretch half{.from = to - blocks / 2, .to = to};
  const auto growth = excess(family, scope, half);
  if (!growth) return;
  const double wide =
      growth->sd *
      student_upper_quantile(kOneSide / static_cast<double>(ages_.size()), growth->degrees);
  const double above = growth->canary - growth->others;
  growth_ = {.canary = growth->canary,
             .others = growth->others,
             .low = above - wide,
             .high = above + wide};
  double tail = student_tail((above - settings_.margin) / growth->sd, growth->degrees);
  if (now < settings_.suspect_until_seconds) {
    // Every restart fills caches, so that "it still grows" has to be shown as surely as "it grows".
    GaugeFamily::Stretch steady = half;
    steady.part = kStillGrowing;
    steady.earlier = half.from - blocks / 4;
    const auto still = excess(family, scope, steady);
    if (!still) return;
    tail =
        std::max(tail, student_tail((still->canary - still->others) / still->sd, still->degrees));
  }
  // Beyond the range of doubles it is certain enough.
  const double evidence = -std::log(std::max(tail, 1e-300));
  evidence_ = fired_ ? std::max(evidence_, evidence) : evidence;
  fired_ |= evidence_ >= threshold_;
}

GaugeMetric::GaugeMetric(const GaugeFamily& family, const Scope& scope, double alpha)
    : family_(family),
      scope_(scope),
      seen_(family.closed()),
      null_(family.level_null(scope.hosts.size())) {
  const GaugeSettings& s = family.settings();
  const double each = s.level_margin && s.leak ? 0.5 * alpha : alpha;
  if (s.level_margin && family.known(scope)) level_.emplace(null_, *s.level_margin, each);
  if (s.leak) leak_.emplace(*s.leak, s.window_seconds, each / s.inflation);
}

void GaugeMetric::step(const StepView&, std::span<const size_t>) {
  if (family_.closed() == seen_) return;
  seen_ = family_.closed();
  const auto canary = family_.canary(scope_);
  const auto& baseline = family_.baseline();
  if (!canary || !baseline) return;
  blocks_ += 1;
  canary_sum_ += canary->mean;
  baseline_sum_ += baseline->mean;
  age_ = canary->least_age + kBlockSeconds;
  const bool restarted = family_.settings().restarted;
  if (level_ && (!restarted || canary->least_age >= kGraceSeconds)) {
    const double age = canary->least_age - kGraceSeconds;
    fade_ = restarted ? kFade * std::exp(-age / kFadeTau) : 0;
    level_->block(canary->deviation - baseline->deviation - *fade_);
  }
  if (leak_) leak_->look(family_, scope_, canary->least_age + kBlockSeconds);
}

bool GaugeMetric::fired() const {
  return (level_ && level_->fired()) || (leak_ && leak_->fired());
}

bool GaugeMetric::leak_leads() const {
  if (!leak_ || !level_) return leak_.has_value();
  if (leak_->fired() != level_->fired()) return leak_->fired();
  return leak_->log_evidence() - leak_->threshold() > level_->log_evidence() - level_->threshold();
}

std::optional<double> GaugeMetric::shown(double deviation) const {
  const double slack = family_.settings().slack, ratio = std::exp(deviation);
  if (slack == 0) return ratio;
  const double usual = family_.usual(scope_);
  if (usual <= 0) return std::nullopt;
  return std::max(ratio * (usual + slack) - slack, 0.0) / usual;
}

Finding GaugeMetric::finding() const {
  Finding f;
  f.metric = family_.settings().metric;
  f.host = scope_.host;
  const bool leak = leak_leads();
  f.process = leak ? "SLOPE" : "LEVEL";
  f.log_evidence = leak ? leak_->log_evidence() : level_->log_evidence();
  f.threshold = leak ? leak_->threshold() : level_->threshold();
  f.fired = fired();
  if (blocks_ > 0) {
    f.canary = canary_sum_ / blocks_;
    f.baseline = baseline_sum_ / blocks_;
  }
  f.spread = null_.s_slow;
  const double first = level_ ? kGraceSeconds : leak_->settings().first_look_seconds;
  if (age_ < first) f.judged_from_seconds = first;
  if (leak_) {
    f.room = leak_->settings().margin * leak_->settings().fills_in_seconds;
    if (const auto& growth = leak_->growth()) {
      f.slope = growth->canary;
      f.baseline_slope = growth->others;
      f.slope_low = growth->low;
      f.slope_high = growth->high;
    }
  }
  if (!level_) return f;
  if (fade_) f.warmup_margin = std::exp(*fade_);
  if (const auto mean = level_->mean()) f.effect = shown(*mean);
  if (const auto interval = level_->interval()) {
    f.effect_low = shown(interval->low);
    f.effect_high = shown(interval->high);
  }
  for (const double ratio : kRatios) {
    if (!level_->would_see(std::log(ratio))) continue;
    f.visible_effect = family_.settings().slack == 0 ? ratio : shown(std::log(ratio));
    break;
  }
  return f;
}

std::optional<std::string> GaugeMetric::half_way() const {
  const Finding f = finding();
  if (f.log_evidence <= 0.5 * f.threshold) return std::nullopt;
  return fmt::format("{} may be worse: half way to a rollback ({})", f.metric, f.process);
}

}  // namespace serin::judge
