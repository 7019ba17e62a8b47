#include "aggregator/core/judge/warmup.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "aggregator/core/judge/distributions.h"

namespace serin::judge {
namespace {

constexpr double kPriorVariation = 0.3;  // from restart to restart, until known (the design)
constexpr double kPriorDegrees = 10;     // so sure of it: as ten restarts
constexpr double kLeastVariation = 0.1;
constexpr double kThreeSigma = 0.00135;   // chance that a healthy restart goes beyond the margin
constexpr double kSure = 1.645;           // 95 %, one-sided: how well the mean excess is known
constexpr double kReferenceNoise = 1.2;   // the other hosts' counts scatter too: between 1 and 1.22
constexpr double kHostNoise = 0.1;        // a host's own level at that time, log odds
constexpr double kVariationSeconds = 60;  // the size of a warm-up is told by its first minute
constexpr double kUnknown = 1e9;

double log_odds(double share) {
  return std::log(share) - std::log1p(-share);
}

/// Bins that are taken together, since they would otherwise grow with age.
struct Block {
  WarmupCount sum;
  size_t first = 0, last = 0;
};

double usual_share(const WarmupCount& c) {
  const double least = 0.5 / (c.requests + 1);
  return std::clamp(c.usual / std::max(c.requests, 1e-9), least, 1 - least);
}

double excess_of(const WarmupCount& c) {
  return log_odds((c.bad + 0.5) / (c.requests + 1)) - log_odds(usual_share(c));
}

double error_of(const WarmupCount& c, double restarts) {
  const double good = std::max(c.requests - c.bad, 0.0);
  const double counts = 1 / (c.bad + 0.5) + 1 / (good + 0.5);
  return std::sqrt(kReferenceNoise * kReferenceNoise * counts +
                   kHostNoise * kHostNoise / std::max(restarts, 1.0));
}

// Pool adjacent violators: the best fit that never grows with age. Bins without requests are left
// out.
std::vector<Block> falling(const WarmupCurve& curve) {
  std::vector<Block> blocks;
  for (size_t i = 0; i < kWarmupBins; ++i) {
    if (curve[i].requests <= 0) continue;
    blocks.push_back({.sum = curve[i], .first = i, .last = i});
    while (blocks.size() > 1 &&
           excess_of(blocks[blocks.size() - 2].sum) < excess_of(blocks.back().sum)) {
      const Block last = blocks.back();
      blocks.pop_back();
      Block& into = blocks.back();
      into.sum.requests += last.sum.requests;
      into.sum.bad += last.sum.bad;
      into.sum.usual += last.sum.usual;
      into.last = last.last;
    }
  }
  return blocks;
}

double middle(size_t bin) {
  return 0.5 * (kWarmupAges[bin] + kWarmupAges[bin + 1]);
}

/// What a curve says of the mean excess: at least, about, and how far it may be above that.
struct Bounds {
  std::array<double, kWarmupBins> low{}, mean{}, error{};
  Bounds() { error.fill(kUnknown); }
};

Bounds bounds_of(const WarmupCurve& curve, double restarts) {
  Bounds bounds;
  for (const Block& block : falling(curve)) {
    const double excess = excess_of(block.sum), error = kSure * error_of(block.sum, restarts);
    for (size_t i = block.first; i <= block.last; ++i) {
      if (curve[i].requests <= 0) continue;
      bounds.mean[i] = std::max(excess, 0.0);
      bounds.low[i] = std::max(excess - error, 0.0);
      bounds.error[i] = error;
    }
  }
  // A peak that comes late and is certain is not averaged away.
  double peak = 0;
  for (size_t i = kWarmupBins; i-- > 0;) {
    if (curve[i].requests > 0) {
      peak = std::max(peak, excess_of(curve[i]) - 2 * kSure * error_of(curve[i], restarts));
    }
    bounds.low[i] = std::max(bounds.low[i], peak);
    bounds.mean[i] = std::max(bounds.mean[i], peak);
  }
  return bounds;
}

// Between the middles of bins, linear.
double at_age(const std::array<double, kWarmupBins>& values, double age) {
  if (age <= middle(0)) return values[0];
  for (size_t i = 1; i < kWarmupBins; ++i) {
    if (age > middle(i)) continue;
    const double part = (age - middle(i - 1)) / (middle(i) - middle(i - 1));
    return values[i - 1] + part * (values[i] - values[i - 1]);
  }
  return values.back();
}

}  // namespace

size_t warmup_bin(double age_seconds) {
  const auto next = std::upper_bound(kWarmupAges.begin(), kWarmupAges.end(), age_seconds);
  if (next == kWarmupAges.begin()) return 0;
  return static_cast<size_t>(next - kWarmupAges.begin()) - 1;
}

std::array<double, kWarmupBins> WarmupProfile::excess(WarmupStream stream) const {
  return bounds_of(streams[static_cast<size_t>(stream)], remembered).mean;
}

double WarmupProfile::variation_of(WarmupStream stream) const {
  const Variation& v = variation[static_cast<size_t>(stream)];
  const double prior = kPriorDegrees * kPriorVariation * kPriorVariation;
  const double square = (prior + v.sum) / (kPriorDegrees + v.weight);
  return std::sqrt(std::max(square, kLeastVariation * kLeastVariation));
}

// The restart's size against what the ones before predict, before it joins them.
void WarmupProfile::learn(const WarmupRestart& restart) {
  const double keep = 1 - kForget;
  for (size_t s = 0; s < kWarmupStreams; ++s) {
    Variation& v = variation[s];
    v.sum *= keep;
    v.weight *= keep;
    const auto mean = excess(static_cast<WarmupStream>(s));
    double bad = 0, usual = 0, expected = 0, spread = 0;
    for (size_t i = 0; i < kWarmupBins && kWarmupAges[i] < kVariationSeconds; ++i) {
      const WarmupCount& c = restart[s][i];
      if (c.requests <= 0 || streams[s][i].requests <= 0) continue;
      const double share = 1 / (1 + std::exp(-(log_odds(usual_share(c)) + mean[i])));
      bad += c.bad;
      usual += c.usual;
      expected += c.requests * share;
      spread += kHostNoise * c.usual * (1 - usual_share(c));
    }
    const double gap = expected - usual;
    if (restarts > 0 && gap > 0) {
      const double noise = (expected + spread * spread) / (gap * gap);
      const double weight = 1 / (1 + noise / (kPriorVariation * kPriorVariation));
      const double off = (bad - usual) / gap - 1;
      v.sum += weight * (off * off / (1 + 1 / remembered) - noise);
      v.weight += weight;
    }
    for (size_t i = 0; i < kWarmupBins; ++i) {
      WarmupCount& sum = streams[s][i];
      sum.requests = keep * sum.requests + restart[s][i].requests;
      sum.bad = keep * sum.bad + restart[s][i].bad;
      sum.usual = keep * sum.usual + restart[s][i].usual;
    }
  }
  remembered = keep * remembered + 1;
  ++restarts;
}

WarmupMargin::WarmupMargin(const std::function<double(double)>& fallback,
                           const WarmupProfile* profile, WarmupStream stream) {
  const bool learnt = profile && profile->restarts > 0;
  Bounds bounds;
  double worst = 1;
  if (learnt) {
    const auto s = static_cast<size_t>(stream);
    bounds = bounds_of(profile->streams[s], profile->remembered);
    const double degrees = kPriorDegrees + profile->variation[s].weight;
    worst += student_upper_quantile(kThreeSigma, degrees) * profile->variation_of(stream) *
             std::sqrt(1 + 1 / std::max(profile->remembered, 1.0));
  }
  for (size_t age = 0; age <= kSeconds; ++age) {
    const auto a = static_cast<double>(age);
    shown_[age] = worst * at_age(bounds.low, a);
    const double high = worst * at_age(bounds.mean, a) + at_age(bounds.error, a);
    const double most = learnt && profile->enough() ? high : kUnknown;
    margin_[age] = std::clamp(fallback(a), shown_[age], std::max(most, shown_[age]));
  }
}

double WarmupMargin::read(const Table& table, double age_seconds) {
  const double age = std::max(age_seconds, 0.0);
  if (!(age < static_cast<double>(kSeconds))) return 0;
  const auto at = static_cast<size_t>(age);
  const double part = age - static_cast<double>(at);
  return table[at] + part * (table[at + 1] - table[at]);
}

}  // namespace serin::judge
