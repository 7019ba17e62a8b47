#include "world.h"

#include <algorithm>
#include <limits>
#include <numbers>

namespace serin::judge::test {

double normal(Rng& rng) {
  return std::normal_distribution<double>()(rng);
}

uint64_t poisson(Rng& rng, double mean) {
  return mean > 0 ? std::poisson_distribution<uint64_t>(mean)(rng) : 0;
}

uint64_t binomial(Rng& rng, uint64_t n, double p) {
  return std::binomial_distribution<uint64_t>(n, std::min(p, 0.95))(rng);
}

Fleet::Fleet(const World& world, uint64_t seed) : world_(world), rng_(seed), now_(world.hosts) {
  for (uint32_t h = 0; h < world.hosts; ++h) {
    level_.push_back(world.host_sd * normal(rng_));
    noise_.push_back(world.noise_sd * normal(rng_));
    restart_.push_back(h < world.canaries ? world.restart_sd * normal(rng_) : 0);
    if (!world.latency) continue;
    latency_level_.push_back(world.latency_host_sd * normal(rng_));
    latency_noise_.push_back(world.latency_noise_sd * normal(rng_));
    latency_restart_.push_back(h < world.canaries ? world.latency_restart_sd * normal(rng_) : 0);
  }
}

void Fleet::move_latency(uint32_t host, double dt) {
  const double keep = std::exp(-dt / world_.noise_tau_seconds);
  latency_noise_[host] = keep * latency_noise_[host] +
                         world_.latency_noise_sd * std::sqrt(1 - keep * keep) * normal(rng_);
}

void Fleet::draw_latency(ExpHistogram& into, uint64_t requests, double level, bool slow_mode) {
  std::normal_distribution<double> z;
  std::uniform_real_distribution<double> part;
  for (uint64_t i = 0; i < requests; ++i) {
    const bool heavy = part(rng_) < .03;
    double seconds =
        std::exp(level + (heavy ? std::log(.15) + .9 * z(rng_) : std::log(.05) + .5 * z(rng_)));
    if (slow_mode && part(rng_) < world_.slow_share) seconds += world_.slow_seconds;
    into.record(seconds);
  }
}

double Fleet::share(uint32_t host, double dt) {
  const double keep = std::exp(-dt / world_.noise_tau_seconds);
  noise_[host] = keep * noise_[host] + world_.noise_sd * std::sqrt(1 - keep * keep) * normal(rng_);
  return world_.errors * std::exp(level_[host] + noise_[host]);
}

std::vector<HostHistory> Fleet::history() {
  std::vector<HostHistory> out;
  for (uint32_t h = 0; h < world_.hosts; ++h) {
    out.push_back({.host = h, .canary = h < world_.canaries, .blocks = {}});
  }
  for (int b = 0; b < world_.history_blocks; ++b) {
    const double swing = 1 + world_.wave * std::sin(2 * std::numbers::pi * b / 180);
    const bool incident = b >= world_.past_incident_from && b < world_.past_incident_to;
    for (uint32_t h = 0; h < world_.hosts; ++h) {
      const uint64_t n = poisson(rng_, 10 * world_.rate * swing);
      const uint64_t x = binomial(rng_, n, share(h, 10) * (incident ? 10 : 1));
      out[h].blocks.push_back({.index = b, .requests = n, .errors = x});
      if (!world_.latency) continue;
      move_latency(h, 10);
      draw_latency(past_.emplace_back(), n, latency_level_[h] + latency_noise_[h], false);
      out[h].blocks.back().latency = &past_.back();
    }
  }
  return out;
}

void Fleet::next() {
  canary.clear();
  baseline.clear();
  const double dt = world_.step_seconds, from = at_;
  at_ += dt;
  const bool incident = from >= world_.incident_from && from < world_.incident_to;
  const double swing = 1 + world_.wave * std::sin(2 * std::numbers::pi * from / 1800);
  for (uint32_t h = 0; h < world_.hosts; ++h) {
    HostStep step;
    step.host = h;
    step.requests = poisson(rng_, dt * world_.rate * swing);
    double p = share(h, dt) * (incident ? 10 : 1);
    if (h < world_.canaries) p *= std::exp(restart_[h]) * world_.effect(from);
    step.errors = binomial(rng_, step.requests, p);
    step.age_seconds = h < world_.canaries ? from : 1e6;
    if (world_.latency) {
      move_latency(h, dt);
      double level = latency_level_[h] + latency_noise_[h] + (incident ? std::log(1.5) : 0);
      if (h < world_.canaries) level += latency_restart_[h] + std::log(world_.slower(from));
      now_[h].clear();
      draw_latency(now_[h], step.requests, level, h < world_.canaries);
      step.latency = &now_[h];
    }
    (h < world_.canaries ? canary : baseline).push_back(step);
  }
}

World uneven_latency(uint32_t hosts, double rate) {
  return {.hosts = hosts,
          .rate = rate,
          .host_sd = .2,
          .noise_sd = .2,
          .restart_sd = .1,
          .history_blocks = 30,
          .latency = true,
          .latency_host_sd = .05,
          .latency_noise_sd = .03,
          .latency_restart_sd = .02};
}

double seconds_to_fire(const World& world, uint64_t seed, double seconds, Options options) {
  Fleet fleet(world, seed);
  options.step_seconds = world.step_seconds;
  Battery battery(options, fleet.history());
  for (uint32_t h = 0; h < world.canaries; ++h) battery.join(h, 0);
  while (fleet.at() < seconds) {
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
    if (battery.fired()) return fleet.at();
  }
  return std::numeric_limits<double>::infinity();
}

std::pair<std::string, double> OneCanary::watch(const Options& options,
                                                std::vector<HostHistory> history, uint32_t hosts,
                                                double seconds, const Draw& draw) {
  Battery battery(options, std::move(history));
  battery.join(0, 0);
  for (double t = 1; t <= seconds; ++t) {
    std::vector<HostStep> canary, baseline;
    for (uint32_t h = 0; h < hosts; ++h) {
      (h == 0 ? canary : baseline).push_back(draw(h, h == 0 ? t - 1 : 1e6, t));
    }
    battery.step(t, canary, baseline);
    if (const Finding* f = battery.fired()) {
      last = *f;
      return {f->metric, t};
    }
  }
  findings = battery.findings();
  return {"", seconds};
}

const Finding* OneCanary::found(const std::string& metric) const {
  const auto at = std::ranges::find(findings, metric, &Finding::metric);
  return at == findings.end() ? nullptr : &*at;
}

}  // namespace serin::judge::test
