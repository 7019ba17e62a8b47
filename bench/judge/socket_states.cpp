#include "bench/judge/socket_states.h"

#include <algorithm>
#include <cmath>

namespace serin::bench {
namespace {

constexpr double kHour = 3600;
constexpr double kRestartSeconds = 5;  // in which whoever waited for the new process floods it
constexpr double kFlood = 0.3;         // of a request
constexpr double kPartnerSeconds = 60;

}  // namespace

SocketStates::SocketStates(const Sockets& nature, size_t hosts, double watch_seconds, uint64_t seed)
    : nature_(nature),
      rng_(seed),
      levels_(nature.connections, hosts, nature.noise_seconds, rng_),
      away_(hosts),
      full_(hosts),
      resize_at_(rng_.uniform() * watch_seconds),
      partner_from_(rng_.uniform() * watch_seconds) {
  if (rng_.uniform() < nature.resizes) resize_ = 0.4 * rng_.normal();
  if (rng_.uniform() < nature.partners) {
    partner_until_ = partner_from_ + kPartnerSeconds * (1 + rng_.uniform());
  }
}

void SocketStates::move(std::vector<Burst>& bursts, double an_hour) {
  for (Burst& burst : bursts) {
    burst.left_seconds -= 1;
    if (rng_.uniform() >= an_hour / kHour) continue;
    burst.left_seconds = 1 - nature_.burst_seconds * std::log(1 - rng_.uniform());
    burst.failing = nature_.failing * std::exp(rng_.normal());
  }
}

void SocketStates::move(double seconds) {
  levels_.move(seconds, rng_);
  for (double s = 0; s < seconds; ++s) {
    move(away_, nature_.bursts);
    move(full_, nature_.overflows);
  }
  if (watch_second_) *watch_second_ += seconds;
}

void SocketStates::restart(size_t host, double warmup_factor) {
  levels_.restart(host, warmup_factor, rng_);
  full_[host] = {.left_seconds = kRestartSeconds, .failing = kFlood};
}

double SocketStates::connections(size_t host, double traffic, double age_seconds) const {
  const bool resized = watch_second_ && *watch_second_ > resize_at_;
  const double level = levels_.now(host, age_seconds) + (resized ? resize_ : 0);
  return std::round(nature_.usual * std::exp(level) * std::pow(traffic, nature_.follows));
}

double SocketStates::failed_connects(size_t host, double requests) {
  double failing = nature_.rare;
  if (away_[host].left_seconds > 0) failing += away_[host].failing;
  const bool partner =
      watch_second_ && *watch_second_ >= partner_from_ && *watch_second_ < partner_until_;
  if (partner) failing += nature_.failing;
  return static_cast<double>(rng_.poisson(requests * failing));
}

double SocketStates::accept_overflows(size_t host, double requests) {
  if (full_[host].left_seconds <= 0) return 0;
  return static_cast<double>(rng_.poisson(requests * full_[host].failing));
}

}  // namespace serin::bench
