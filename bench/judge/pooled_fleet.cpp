#include "bench/judge/pooled_fleet.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace serin::bench {
namespace {

constexpr int32_t kLow = -80, kHigh = 64;  // buckets: 1 ms … 4 min
constexpr double kShiftLow = -.6, kShiftStep = .005;
constexpr size_t kShifts = 641, kBuckets = kHigh - kLow + 1;
constexpr double kNoiseTau = 20;
constexpr double kTailFrom = .985, kModeShare = .02, kModeSeconds = 1;
const double kWidth = std::log(2.0) / std::exp2(ExpHistogram::kScale);

double usual_below(double y) {  // y: log seconds
  const auto phi = [](double z) { return .5 * std::erfc(-z / std::numbers::sqrt2); };
  return .97 * phi((y - std::log(.05)) / .5) + .03 * phi((y - std::log(.15)) / .9);
}

double where_tail_begins() {
  double low = -7, high = 3;
  for (int i = 0; i < 80; ++i) {
    const double middle = .5 * (low + high);
    (usual_below(middle) < kTailFrom ? low : high) = middle;
  }
  return low;
}

double below(Latencies kind, double y) {
  static const double tail = where_tail_begins();
  switch (kind) {
    case Latencies::usual:
      return usual_below(y);
    case Latencies::tail_twice:
      return y < tail ? usual_below(y) : std::max(kTailFrom, usual_below(y - std::log(2.0)));
    case Latencies::second_mode: {
      const double rest = std::exp(y) - kModeSeconds;
      return (1 - kModeShare) * usual_below(y) +
             (rest > 0 ? kModeShare * usual_below(std::log(rest)) : 0);
    }
  }
  return 0;
}

using Shares = std::array<double, kBuckets>;

const std::vector<Shares>& table(Latencies kind) {
  const auto make = [](Latencies k) {
    std::vector<Shares> out(kShifts);
    for (size_t i = 0; i < kShifts; ++i) {
      const double shift = kShiftLow + kShiftStep * static_cast<double>(i);
      double before = 0;
      for (size_t b = 0; b < kBuckets; ++b) {
        const double upper = kWidth * (static_cast<double>(b) + kLow + 1);
        const double upto = b + 1 == kBuckets ? 1 : below(k, upper - shift);
        out[i][b] = std::max(upto - before, 0.0);
        before = upto;
      }
    }
    return out;
  };
  static const std::array<std::vector<Shares>, 3> tables = {
      make(Latencies::usual), make(Latencies::tail_twice), make(Latencies::second_mode)};
  return tables[static_cast<size_t>(kind)];
}

const Shares& shares(Latencies kind, double shift) {
  const double at = std::round((shift - kShiftLow) / kShiftStep);
  return table(kind)[static_cast<size_t>(std::clamp(at, 0.0, static_cast<double>(kShifts - 1)))];
}

void draw_histogram(Rng& rng, ExpHistogram& into, const Shares& p, double load) {
  into.clear();
  for (size_t b = 0; b < kBuckets; ++b) {
    const double mean = p[b] * load;
    if (mean < 1e-9) continue;
    const uint64_t count = poisson(rng, mean);
    if (count > 0) {
      into.record(ExpHistogram::upper_bound(static_cast<int32_t>(b) + kLow) * (1 - 1e-9), count);
    }
  }
}

}  // namespace

// Hörmann's transformed rejection (PTRS, 1993) for large means, products of uniforms for small.
uint64_t poisson(Rng& rng, double mean) {
  std::uniform_real_distribution<double> uniform;
  if (mean <= 0) return 0;
  if (mean < 10) {
    const double limit = std::exp(-mean);
    uint64_t n = 0;
    for (double product = uniform(rng); product > limit; product *= uniform(rng)) ++n;
    return n;
  }
  const double b = .931 + 2.53 * std::sqrt(mean), a = -.059 + .02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = .9277 - 3.6224 / (b - 2);
  const double log_mean = std::log(mean);
  while (true) {
    const double u = uniform(rng) - .5, v = uniform(rng), us = .5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + .43);
    if (us >= .07 && v <= v_r) return static_cast<uint64_t>(k);
    if (k < 0 || (us < .013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <=
        k * log_mean - mean - std::lgamma(k + 1)) {
      return static_cast<uint64_t>(k);
    }
  }
}

Past::Past(const PooledWorld& world, uint64_t seed) : world_(world) {
  Rng rng(seed);
  std::normal_distribution<double> normal;
  for (uint32_t h = 0; h < std::min(world.hosts, world.history_hosts); ++h) {
    latency_.push_back(world.unrest.latency_host * normal(rng));
    errors_.push_back(world.unrest.errors_host * normal(rng));
  }
  draw(true, rng);
}

Past::Past(const PooledWorld& world, std::span<const double> latency_levels,
           std::span<const double> errors_levels, bool with_latency, uint64_t seed)
    : world_(world),
      latency_(latency_levels.begin(), latency_levels.end()),
      errors_(errors_levels.begin(), errors_levels.end()) {
  Rng rng(seed);
  draw(with_latency, rng);
}

void Past::draw(bool with_latency, Rng& rng) {
  std::normal_distribution<double> normal;
  const Unrest& u = world_.unrest;
  const double keep = std::exp(-10 / kNoiseTau), fresh = std::sqrt(1 - keep * keep);
  for (uint32_t h = 0; h < hosts(); ++h) {
    history_.push_back({.host = h, .canary = false, .blocks = {}});
    double latency_noise = u.latency_noise * normal(rng);
    double errors_noise = u.errors_noise * normal(rng);
    for (int b = 0; b < world_.history_blocks; ++b) {
      latency_noise = keep * latency_noise + fresh * u.latency_noise * normal(rng);
      errors_noise = keep * errors_noise + fresh * u.errors_noise * normal(rng);
      judge::HostHistory::Block block{.index = b};
      if (with_latency) {
        auto& latency = histograms_.emplace_back();
        draw_histogram(rng, latency, shares(Latencies::usual, latency_[h] + latency_noise),
                       10 * world_.rate);
        block.latency = &latency;
        block.requests = latency.total();
      } else {
        block.requests = poisson(rng, 10 * world_.rate);
      }
      const double share = world_.errors * std::exp(errors_[h] + errors_noise);
      block.errors = std::min(poisson(rng, 10 * world_.rate * share), block.requests);
      history_.back().blocks.push_back(block);
    }
  }
}

std::vector<judge::HostHistory> Past::history(uint32_t first) const {
  auto out = history_;
  for (uint32_t i = 0; i < world_.canaries; ++i) out[(first + i) % hosts()].canary = true;
  return out;
}

PooledFleet::PooledFleet(const PooledWorld& world, const Past& past, uint32_t first, uint64_t seed,
                         double watch_seconds)
    : world_(world), rng_(seed) {
  const Unrest& u = world.unrest;
  std::uniform_real_distribution<double> uniform;
  wave_phase_ = 2 * std::numbers::pi * uniform(rng_);
  traffic_noise_ = .1 * normal_(rng_);
  share_noise_ = .1 * normal_(rng_);
  if (uniform(rng_) < u.incident) {
    incident_from_ = 60 + std::floor(uniform(rng_) * std::max(1.0, watch_seconds - 260));
  }
  const double warmup = std::exp(.3 * normal_(rng_));
  for (uint32_t i = 0; i < world.canaries; ++i) {
    const uint32_t host = (first + i) % past.hosts();
    cohorts_.push_back({.latency = past.latency_level(host) + u.latency_restart * normal_(rng_) +
                                   std::log(world.slower),
                        .errors = past.errors_level(host) + u.errors_restart * normal_(rng_) +
                                  std::log(world.more_errors),
                        .latency_noise = u.latency_noise * normal_(rng_),
                        .errors_noise = u.errors_noise * normal_(rng_),
                        .noise_scale = 1,
                        .load = world.rate,
                        .warmup = warmup,
                        .histogram = {}});
    hosts_.push_back(host);
  }
  const double others = world.hosts - world.canaries;
  double latency = 0, errors = 0, counted = 0;
  for (uint32_t h = 0; h < past.hosts(); ++h) {
    if ((h + past.hosts() - first % past.hosts()) % past.hosts() < world.canaries) continue;
    latency += past.latency_level(h);
    errors += std::exp(past.errors_level(h));
    counted += 1;
  }
  for (uint32_t i = 0; i < 2; ++i) {
    const double scale = std::sqrt(2 / others);
    cohorts_.push_back({.latency = latency / counted,
                        .errors = std::log(errors / counted),
                        .latency_noise = u.latency_noise * scale * normal_(rng_),
                        .errors_noise = u.errors_noise * scale * normal_(rng_),
                        .noise_scale = scale,
                        .load = world.rate * others / 2,
                        .warmup = 0,
                        .histogram = {}});
    baseline.push_back({.host = 1'000'000 + i, .age_seconds = 1e6});
  }
}

void PooledFleet::draw(Cohort& c, bool is_canary, double traffic, judge::HostStep& out) {
  const Unrest& u = world_.unrest;
  const double keep = std::exp(-1 / kNoiseTau), fresh = std::sqrt(1 - keep * keep);
  c.latency_noise =
      keep * c.latency_noise + fresh * u.latency_noise * c.noise_scale * normal_(rng_);
  c.errors_noise = keep * c.errors_noise + fresh * u.errors_noise * c.noise_scale * normal_(rng_);
  const bool incident = incident_from_ >= 0 && at_ >= incident_from_ && at_ < incident_from_ + 120;
  double latency = c.latency + c.latency_noise + (incident ? .4 : 0);
  double errors = c.errors + c.errors_noise + (incident ? std::log(10.0) : 0);
  if (is_canary) {
    latency += u.warmup_latency * c.warmup * std::exp(-at_ / 20);
    errors += u.warmup_errors * c.warmup * std::exp(-at_ / 15);
    traffic *= std::exp(share_noise_);
    out.age_seconds = at_;
  }
  const double load = c.load * traffic;
  draw_histogram(rng_, c.histogram,
                 shares(is_canary ? world_.latencies : Latencies::usual, latency), load);
  out.requests = c.histogram.total();
  out.errors =
      std::min(poisson(rng_, load * std::min(world_.errors * std::exp(errors), .95)), out.requests);
  out.latency = &c.histogram;
}

void PooledFleet::next() {
  const Unrest& u = world_.unrest;
  double traffic = 1;
  if (u.traffic > 0) {
    const auto move = [&](double& x, double tau) {
      const double keep = std::exp(-1 / tau);
      x = keep * x + std::sqrt(1 - keep * keep) * .1 * normal_(rng_);
    };
    move(traffic_noise_, 60);
    move(share_noise_, 300);
    traffic = (1 + u.traffic * std::sin(2 * std::numbers::pi * at_ / 1800 + wave_phase_)) *
              std::exp(traffic_noise_);
  } else {
    share_noise_ = 0;
  }
  std::uniform_real_distribution<double> uniform;
  canary.resize(world_.canaries);
  size_t kept = 0;
  for (size_t i = 0; i < cohorts_.size(); ++i) {
    const bool is_canary = i < world_.canaries;
    judge::HostStep step;
    step.host = is_canary ? hosts_[i] : baseline[i - world_.canaries].host;
    step.age_seconds = 1e6;
    draw(cohorts_[i], is_canary, traffic, step);
    if (!is_canary) {
      baseline[i - world_.canaries] = step;
    } else if (uniform(rng_) >= u.missing) {
      canary[kept++] = step;
    }
  }
  canary.resize(kept);
  at_ += 1;
}

double information(const PooledWorld& w) {
  const double p = w.errors, q = p * w.more_errors;
  if (w.more_errors > 1) return q * std::log(q / p) + (1 - q) * std::log((1 - q) / (1 - p));
  double sum = 0, before0 = 0, before1 = 0;
  for (int i = 1; i <= 6000; ++i) {  // fine steps: the bound does not know of buckets
    const double y = std::log(.001) + .002 * i;
    const double upto0 = below(Latencies::usual, y);
    const double upto1 = below(w.latencies, y - std::log(w.slower));
    const double a = upto0 - before0, b = upto1 - before1;
    if (b > 1e-14) sum += b * std::log(b / std::max(a, 1e-14));
    before0 = upto0;
    before1 = upto1;
  }
  return sum;
}

}  // namespace serin::bench
