#pragma once

#include <cstdint>

namespace shop {

/// A small random source whose sequence is the same with every standard library, so that one seed
/// gives one database and one traffic everywhere (std::*_distribution does not promise that).
/// splitmix64.
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed) {}
  uint64_t bits();
  /// In [0, 1).
  double unit();
  /// In [0, limit).
  uint64_t below(uint64_t limit);
  double exponential(double mean);
  double normal();
  /// exp(N(log median, sigma)): heavy to the right, as service times are.
  double lognormal(double median, double sigma);

 private:
  uint64_t state_;
};

}  // namespace shop
