#pragma once

#include <vector>

#include "bench/judge/nature.h"
#include "bench/judge/random.h"

// Where every host stands at a moment: levels that stay, drift and noise that move with time, and
// what a restart brings.

namespace serin::bench {

class TraitStates {
 public:
  TraitStates(const Trait& trait, size_t hosts, double noise_seconds, Rng& rng);

  /// Time passes on all hosts.
  void move(double seconds, Rng& rng);
  /// A new process: it differs from the one before, and warms up from age 0 on.
  void restart(size_t host, double warmup_factor, Rng& rng);

  /// Log scale. `age_seconds` only counts on a host that was restarted.
  [[nodiscard]] double now(size_t host, double age_seconds) const;
  [[nodiscard]] double now(size_t host) const {
    return level_[host] + drift_[host].now() + noise_[host].now();
  }

 private:
  Trait trait_;
  double noise_seconds_;
  std::vector<double> level_, warmup_;  // by host
  std::vector<Noise> drift_, noise_;
};

class SizeStates {
 public:
  SizeStates(const Size& size, size_t hosts, Rng& rng);

  void move(double seconds, Rng& rng);
  void restart(size_t host, double warmup_factor, Rng& rng);
  /// In the size's own unit, at least 1.
  [[nodiscard]] double now(size_t host, double age_seconds) const;

 private:
  Size size_;
  double seconds_ = 0;
  std::vector<double> usual_, trend_, warmup_;
  std::vector<Noise> noise_;
};

}  // namespace serin::bench
