#include "demo/draw/draw.h"

#include <cmath>
#include <numbers>

namespace shop {

uint64_t Draw::bits() {
  state_ += 0x9e3779b97f4a7c15ULL;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

double Draw::unit() {
  return static_cast<double>(bits() >> 11) * 0x1p-53;
}

uint64_t Draw::below(uint64_t limit) {
  return static_cast<uint64_t>(unit() * static_cast<double>(limit));
}

double Draw::exponential(double mean) {
  return -mean * std::log1p(-unit());
}

double Draw::normal() {  // Box and Muller; the second value is given away, speed is no concern here
  const double radius = std::sqrt(-2.0 * std::log1p(-unit()));
  return radius * std::cos(2.0 * std::numbers::pi * unit());
}

double Draw::lognormal(double median, double sigma) {
  return median * std::exp(sigma * normal());
}

}  // namespace shop
