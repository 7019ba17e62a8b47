#pragma once

#include <array>
#include <cstdint>

// Random numbers whose seeds give the same streams with every standard library: the standard's
// distributions are each library's own affair.

namespace serin::bench {

/// xoshiro256++ (Blackman and Vigna 2019), seeded through splitmix64.
class Rng {
 public:
  explicit Rng(uint64_t seed);

  uint64_t bits();
  /// In (0, 1): neither end is ever drawn.
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }
  uint64_t below(uint64_t n) { return static_cast<uint64_t>(uniform() * static_cast<double>(n)); }
  /// Standard normal, Marsaglia's polar method.
  double normal();
  /// Mean >= 0. Inversion below 10, then Hörmann's PTRS (1993).
  uint64_t poisson(double mean);
  /// Inversion below 10 expected, then Hörmann's BTRS (1993).
  uint64_t binomial(uint64_t n, double p);

 private:
  std::array<uint64_t, 4> state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

/// One seed out of two: streams of different `second` do not meet.
uint64_t mixed_seed(uint64_t first, uint64_t second);

/// ln k!
double log_factorial(uint64_t k);

/// A stationary first-order autoregression of mean 0.
class Noise {
 public:
  Noise() = default;
  /// `keep` = exp(-step / correlation time).
  static Noise started(Rng& rng, double sd) { return Noise(sd > 0 ? sd * rng.normal() : 0); }
  double move(Rng& rng, double sd, double keep, double fresh) {
    if (sd > 0) now_ = keep * now_ + sd * fresh * rng.normal();
    return now_;
  }
  [[nodiscard]] double now() const { return now_; }

 private:
  explicit Noise(double now) : now_(now) {}
  double now_ = 0;
};

}  // namespace serin::bench
