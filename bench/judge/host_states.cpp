#include "bench/judge/host_states.h"

#include <algorithm>
#include <cmath>

namespace serin::bench {
namespace {

constexpr double kDriftSeconds = 3600, kSizeNoiseSeconds = 30;

struct Step {
  double keep, fresh;
  Step(double seconds, double correlation_seconds)
      : keep(std::exp(-seconds / correlation_seconds)), fresh(std::sqrt(1 - keep * keep)) {}
};

}  // namespace

TraitStates::TraitStates(const Trait& trait, size_t hosts, double noise_seconds, Rng& rng)
    : trait_(trait), noise_seconds_(noise_seconds), warmup_(hosts, 0) {
  for (size_t h = 0; h < hosts; ++h) {
    level_.push_back(trait.host * rng.normal());
    drift_.push_back(Noise::started(rng, trait.drift));
    noise_.push_back(Noise::started(rng, trait.noise));
  }
}

void TraitStates::move(double seconds, Rng& rng) {
  const Step slow(seconds, kDriftSeconds), fast(seconds, noise_seconds_);
  for (Noise& n : drift_) n.move(rng, trait_.drift, slow.keep, slow.fresh);
  for (Noise& n : noise_) n.move(rng, trait_.noise, fast.keep, fast.fresh);
}

void TraitStates::restart(size_t host, double warmup_factor, Rng& rng) {
  level_[host] += trait_.restart * rng.normal();
  warmup_[host] = trait_.warmup * warmup_factor;
}

double TraitStates::now(size_t host, double age_seconds) const {
  const double warmup = warmup_[host];
  return now(host) + (warmup == 0 ? 0 : warmup * std::exp(-age_seconds / trait_.warmup_seconds));
}

SizeStates::SizeStates(const Size& size, size_t hosts, Rng& rng) : size_(size), warmup_(hosts, 0) {
  for (size_t h = 0; h < hosts; ++h) {
    usual_.push_back(size.usual * std::exp(size.host * rng.normal()));
    trend_.push_back(size.trend * rng.normal());
    noise_.push_back(Noise::started(rng, size.noise));
  }
}

void SizeStates::move(double seconds, Rng& rng) {
  const Step step(seconds, kSizeNoiseSeconds);
  for (Noise& n : noise_) n.move(rng, size_.noise, step.keep, step.fresh);
  seconds_ += seconds;
}

void SizeStates::restart(size_t host, double warmup_factor, Rng& rng) {
  usual_[host] *= std::exp(size_.restart * rng.normal());
  warmup_[host] = size_.warmup * warmup_factor;
}

double SizeStates::now(size_t host, double age_seconds) const {
  const double to_fill = warmup_[host] * std::exp(-age_seconds / size_.warmup_seconds);
  const double size = usual_[host] * (1 - to_fill) + trend_[host] * seconds_ + noise_[host].now();
  return std::max(1.0, size_.whole ? std::round(size) : size);
}

}  // namespace serin::bench
