#include "demo/load/traffic.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace shop {
namespace {

constexpr double kPopularity =
    0.4;  // weight of the n-th customer: n^-0.4; the 1 % largest make 6 % of the visits
constexpr double kCheckout = 0.10, kSearch = 0.20, kHome = 0.10;  // the rest are customers' pages
// UTF-8 and escaped, as browsers send it; one of them finds nobody.
constexpr std::array kSearches = {
    "Ana", "Bj%C3%B6rn", "Chlo", "%C3%98yvind", "J%C3%BCrgen%20M", "%E8%8A%B1", "%D0%AE", "Zo", "Jurgen"};

}  // namespace

Traffic::Traffic(const TrafficShape& shape, uint64_t seed) : shape_(shape), draw_(seed) {
  double sum = 0;
  for (int id = 1; id <= shape.customers; ++id) {
    sum += std::pow(id, -kPopularity);
    weight_.push_back(sum);
  }
  add_visit();
}

int Traffic::pick_customer() {
  const double at = draw_.unit() * weight_.back();
  return static_cast<int>(std::ranges::upper_bound(weight_, at) - weight_.begin()) + 1;
}

Arrival Traffic::request_of(int customer) {
  const double kind = draw_.unit();
  if (kind < kCheckout) {
    const int cents = 100 + static_cast<int>(draw_.lognormal(3500, 1.0));
    return {.path = "/checkout", .form = fmt::format("customer={}&cents={}", customer, cents)};
  }
  if (kind < kCheckout + kSearch) {
    return {.path = fmt::format("/search?q={}", kSearches[draw_.below(kSearches.size())]),
            .form = {}};
  }
  if (kind < kCheckout + kSearch + kHome) return {.path = "/", .form = {}};
  return {.path = fmt::format("/customer/{}", customer), .form = {}};
}

void Traffic::add_visit() {
  const double visits =
      shape_.requests_per_second * static_cast<double>(shape_.hosts) / shape_.requests_per_visit;
  const double phase = 2 * std::numbers::pi * next_visit_ / shape_.wave_seconds;
  next_visit_ += draw_.exponential(1.0 / (visits * (1 + shape_.wave_depth * std::sin(phase))));
  const size_t host = next_host_++ % shape_.hosts;
  const int customer = pick_customer();
  double at = next_visit_;
  do {
    Arrival arrival = request_of(customer);
    arrival.at = at;
    arrival.host = host;
    planned_.push(std::move(arrival));
    at += draw_.exponential(shape_.think_seconds);
  } while (draw_.unit() < 1.0 - 1.0 / shape_.requests_per_visit);
}

Arrival Traffic::next() {
  while (planned_.top().at >= next_visit_) add_visit();
  Arrival arrival = planned_.top();
  planned_.pop();
  if (planned_.empty()) add_visit();
  return arrival;
}

}  // namespace shop
