#include "bench/judge/world.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace serin::bench {
namespace {

constexpr double kBlockSeconds = 10;
constexpr int kSizesAt = 5;  // second of each block in which the baseline reports its sizes
constexpr double kLongRunning = 1e6;
constexpr double kIncidentSeconds = 120, kIncidentErrors = 10, kIncidentLatency = 0.4,
                 kIncidentOrders = 0.8;
constexpr double kMostShare = 0.95;
constexpr uint64_t kSocketStream = 0x736f636b657473;
constexpr double kWaveSeconds = 1800, kTrafficSeconds = 60, kShareSeconds = 300;

}  // namespace

World::World(const Scene& scene, uint64_t seed)
    : scene_(scene),
      rng_(seed),
      latency_(scene.nature.latency, scene.hosts, scene.nature.noise_seconds, rng_),
      errors_(scene.nature.errors, scene.hosts, scene.nature.noise_seconds, rng_),
      orders_(scene.nature.orders, scene.hosts, scene.nature.noise_seconds, rng_),
      cpu_(scene.nature.cpu, scene.hosts, scene.nature.noise_seconds, rng_),
      rss_(scene.nature.rss_bytes, scene.hosts, rng_),
      fds_(scene.nature.fds, scene.hosts, rng_),
      threads_(scene.nature.threads, scene.hosts, rng_),
      sockets_(scene.nature.sockets, scene.hosts, scene.watch_seconds,
               mixed_seed(seed, kSocketStream)),
      cpu_block_(scene.hosts, 0),
      phase_(2 * std::numbers::pi * rng_.uniform()),
      traffic_(Noise::started(rng_, scene.nature.traffic_noise)),
      share_(Noise::started(rng_, scene.nature.share_noise)),
      level_(scene.hosts),
      now_(scene.hosts),
      orders_now_(scene.hosts, {kOrders, 0}),
      failed_(scene.hosts, 0),
      overflowed_(scene.hosts, 0),
      intensity_(LatencyLaw::kBuckets),
      counts_(LatencyLaw::kBuckets),
      hosts_at_shift_(LatencyLaw::kShifts) {
  if (rng_.uniform() < scene.nature.incidents) {
    const double room = std::max(1.0, scene.watch_seconds - 260);
    incident_from_ = 60 + std::floor(room * rng_.uniform());
  }
  warmup_factor_ = std::exp(scene.nature.warmup_varies * rng_.normal());
}

// Requests a second and host, of the whole fleet, over the next `seconds`.
double World::traffic(double seconds) {
  const double keep = std::exp(-seconds / kTrafficSeconds);
  traffic_.move(rng_, scene_.nature.traffic_noise, keep, std::sqrt(1 - keep * keep));
  const double wave =
      1 +
      scene_.nature.wave * std::sin(2 * std::numbers::pi * wave_seconds_ / kWaveSeconds + phase_);
  wave_seconds_ += seconds;
  return scene_.requests_per_host * wave * std::exp(traffic_.now());
}

void World::move_sizes() {
  cpu_.move(kBlockSeconds, rng_);
  rss_.move(kBlockSeconds, rng_);
  fds_.move(kBlockSeconds, rng_);
  threads_.move(kBlockSeconds, rng_);
  for (double& c : cpu_block_) c = scene_.nature.cpu_blocks * rng_.normal();
}

// A second passes; the levels after it are added with this weight.
void World::move_levels(double weight) {
  latency_.move(1, rng_);
  errors_.move(1, rng_);
  orders_.move(1, rng_);
  for (uint32_t h = 0; h < scene_.hosts; ++h) {
    level_[h].latency += weight * latency_.now(h, second_);
    level_[h].errors += weight * errors_.now(h, second_);
    level_[h].orders += weight * orders_.now(h, second_);
  }
}

double World::error_share(const Level& level) const {
  return std::min(scene_.nature.error_share * std::exp(level.errors), kMostShare);
}

double World::order_share(const Level& level) const {
  return std::min(scene_.nature.order_share * std::exp(level.orders), kMostShare);
}

World::Served World::serve(double load, std::span<const double> latency_shares, double error_share,
                           double order_share, ExpHistogram& latency) {
  Served out;
  size_t first = counts_.size(), last = 0;
  for (size_t b = 0; b < counts_.size(); ++b) {
    counts_[b] = rng_.poisson(load * latency_shares[b]);
    if (counts_[b] == 0) continue;
    out.requests += counts_[b];
    first = std::min(first, b);
    last = b;
  }
  latency.clear();
  if (out.requests > 0) {
    latency = *ExpHistogram::from_parts(ExpHistogram::kScale,
                                        LatencyLaw::kLowest + static_cast<int32_t>(first),
                                        std::span(counts_).subspan(first, last - first + 1));
  }
  out.errors = rng_.binomial(out.requests, error_share);
  out.orders = rng_.binomial(out.requests, order_share);
  return out;
}

judge::HostHistory::Block World::block(uint32_t host, int32_t index, double load) {
  const Level& level = level_[host];
  const auto shares =
      LatencyLaw::of(LatencyShape::usual).shares(LatencyLaw::shift_index(level.latency));
  ExpHistogram& latency = past_.emplace_back();
  const Served served = serve(load, shares, error_share(level), order_share(level), latency);
  past_orders_.emplace_back(kOrders, static_cast<double>(served.orders));
  judge::HostHistory::Block out{
      .index = index,
      .requests = served.requests,
      .errors = served.errors,
      .latency = &latency,
      .cpu_seconds = cpu_seconds(host, static_cast<double>(served.requests)),
      .rss_bytes = rss_.now(host, kLongRunning),
      .fds = fds_.now(host, kLongRunning),
      .threads = threads_.now(host, kLongRunning),
      .business = {&past_orders_.back(), 1}};
  if (!scene_.nature.sockets.told) return out;
  out.connections =
      sockets_.connections(host, load / kBlockSeconds / scene_.requests_per_host, kLongRunning);
  out.failed_connects = failed_[host];
  out.accept_overflows = overflowed_[host];
  return out;
}

std::vector<judge::HostHistory> World::history() {
  std::vector<judge::HostHistory> out(scene_.hosts);
  const auto blocks = static_cast<int32_t>(scene_.history_seconds / kBlockSeconds);
  for (uint32_t h = 0; h < scene_.hosts; ++h) {
    out[h].host = h;
    out[h].canary = h < scene_.canaries;
    out[h].blocks.reserve(static_cast<size_t>(blocks));
  }
  for (int32_t b = -blocks; b < 0; ++b) {
    const double load = traffic(kBlockSeconds) * kBlockSeconds;
    move_sizes();
    std::fill(level_.begin(), level_.end(), Level{});
    for (int i = 0; i < static_cast<int>(kBlockSeconds); ++i) move_levels(1 / kBlockSeconds);
    if (scene_.nature.sockets.told) move_sockets(load / kBlockSeconds);
    for (uint32_t h = 0; h < scene_.hosts; ++h) out[h].blocks.push_back(block(h, b, load));
  }
  restart_canaries();
  sockets_.begin_watch();
  return out;
}

void World::forget_history() {
  past_.clear();
  past_orders_.clear();
}

void World::restart_canaries() {
  for (uint32_t h = 0; h < scene_.canaries; ++h) {
    latency_.restart(h, warmup_factor_, rng_);
    errors_.restart(h, warmup_factor_, rng_);
    orders_.restart(h, warmup_factor_, rng_);
    cpu_.restart(h, warmup_factor_, rng_);
    rss_.restart(h, warmup_factor_, rng_);
    fds_.restart(h, warmup_factor_, rng_);
    threads_.restart(h, warmup_factor_, rng_);
    sockets_.restart(h, warmup_factor_);
  }
}

bool World::incident() const {
  return incident_from_ && second_ >= *incident_from_ &&
         second_ < *incident_from_ + kIncidentSeconds;
}

double World::cpu_seconds(uint32_t host, double requests) const {
  return requests * scene_.nature.cpu_seconds_per_request *
         std::exp(cpu_.now(host, second_) + cpu_block_[host]);
}

void World::report(judge::HostStep& step, const Served& served) {
  orders_now_[step.host].second = static_cast<double>(served.orders);
  step.requests = served.requests;
  step.errors = served.errors;
  step.business = {&orders_now_[step.host], 1};
}

void World::report_sizes(judge::HostStep& step) {
  step.cpu_seconds = cpu_seconds(step.host, static_cast<double>(step.requests));
  step.rss_bytes = rss_.now(step.host, second_);
  step.fds = fds_.now(step.host, second_);
  step.threads = threads_.now(step.host, second_);
}

void World::step_canary(uint32_t host, double load) {
  Level level = level_[host];
  const bool worse = second_ >= scene_.effect.onset_seconds;
  if (worse) {
    level.latency += std::log(scene_.effect.latency);
    level.errors += std::log(scene_.effect.errors);
  }
  const auto& law = LatencyLaw::of(worse ? scene_.effect.shape : LatencyShape::usual);
  const Served served = serve(load, law.shares(LatencyLaw::shift_index(level.latency)),
                              error_share(level), order_share(level), now_[host]);
  judge::HostStep& step = canary_.emplace_back();
  step.host = host;
  step.age_seconds = second_;
  step.latency = &now_[host];
  report(step, served);
  report_sizes(step);
}

// Over a block of the past.
void World::move_sockets(double load) {
  std::fill(failed_.begin(), failed_.end(), 0.0);
  std::fill(overflowed_.begin(), overflowed_.end(), 0.0);
  for (int i = 0; i < static_cast<int>(kBlockSeconds); ++i) {
    sockets_.move(1);
    for (uint32_t h = 0; h < scene_.hosts; ++h) {
      failed_[h] += sockets_.failed_connects(h, load);
      overflowed_[h] += sockets_.accept_overflows(h, load);
    }
  }
}

void World::tell_sockets(judge::HostStep& step, double load, Levels levels) {
  step.failed_connects = sockets_.failed_connects(step.host, load);
  step.accept_overflows = sockets_.accept_overflows(step.host, load);
  if (levels == Levels::left_out) return;
  step.connections =
      sockets_.connections(step.host, load / scene_.requests_per_host, step.age_seconds);
}

// The baseline host by host: what step_pooled() is held against.
void World::step_each(double load) {
  const auto& law = LatencyLaw::of(LatencyShape::usual);
  for (judge::HostStep& step : baseline_) {
    const Level& level = level_[step.host];
    step.latency = &now_[step.host];
    report(step, serve(load, law.shares(LatencyLaw::shift_index(level.latency)), error_share(level),
                       order_share(level), now_[step.host]));
  }
}

void World::step_pooled(double load) {
  if (baseline_.empty()) return;
  std::fill(hosts_at_shift_.begin(), hosts_at_shift_.end(), 0);
  double errors = 0, orders = 0;
  for (const judge::HostStep& step : baseline_) {
    const Level& level = level_[step.host];
    ++hosts_at_shift_[LatencyLaw::shift_index(level.latency)];
    errors += error_share(level);
    orders += order_share(level);
  }
  const double hosts = static_cast<double>(baseline_.size());
  std::fill(intensity_.begin(), intensity_.end(), 0.0);
  for (size_t s = 0; s < hosts_at_shift_.size(); ++s) {
    if (hosts_at_shift_[s] == 0) continue;
    const auto shares = LatencyLaw::of(LatencyShape::usual).shares(s);
    for (size_t b = 0; b < intensity_.size(); ++b) intensity_[b] += hosts_at_shift_[s] * shares[b];
  }
  judge::HostStep& carrier = baseline_.front();
  carrier.latency = &now_[carrier.host];
  report(carrier, serve(load, intensity_, errors / hosts, orders / hosts, now_[carrier.host]));
}

// Hosts are equally busy, so that the sum may be shared out evenly where sizes are asked per
// request.
void World::share_out() {
  const judge::HostStep sum = baseline_.front();
  const auto total_orders = static_cast<uint64_t>(orders_now_[sum.host].second);
  const uint64_t hosts = baseline_.size();
  for (uint64_t i = 0; i < hosts; ++i) {
    const auto part = [&](uint64_t whole) { return whole / hosts + (i < whole % hosts ? 1 : 0); };
    report(
        baseline_[i],
        {.requests = part(sum.requests), .errors = part(sum.errors), .orders = part(total_orders)});
  }
}

void World::next() {
  canary_.clear();
  baseline_.clear();
  const double load = traffic(1);
  const double keep = std::exp(-1 / kShareSeconds);
  share_.move(rng_, scene_.nature.share_noise, keep, std::sqrt(1 - keep * keep));
  const auto in_block = static_cast<int>(std::fmod(second_, kBlockSeconds));
  if (in_block == 0) move_sizes();
  std::fill(level_.begin(), level_.end(), Level{});
  move_levels(1);
  if (incident()) {
    for (Level& level : level_) {
      level.latency += kIncidentLatency;
      level.errors += std::log(kIncidentErrors);
      level.orders += std::log(kIncidentOrders);
    }
  }
  for (uint32_t h = 0; h < scene_.hosts; ++h) {
    if (rng_.uniform() < scene_.nature.missing) continue;
    if (h < scene_.canaries) {
      step_canary(h, load * std::exp(share_.now()));
    } else {
      baseline_.push_back({.host = h, .age_seconds = kLongRunning});
    }
  }
  if (scene_.baseline == Scene::Baseline::each_host) {
    step_each(load);
  } else {
    step_pooled(load);
  }
  const bool pooled = scene_.baseline == Scene::Baseline::pooled;
  if (!baseline_.empty() && (in_block == kSizesAt || !pooled)) {
    if (pooled) share_out();
    for (judge::HostStep& step : baseline_) report_sizes(step);
  }
  if (scene_.nature.sockets.told) {
    sockets_.move(1);
    for (judge::HostStep& step : canary_)
      tell_sockets(step, load * std::exp(share_.now()), Levels::told);
    const Levels levels = in_block == kSizesAt || !pooled ? Levels::told : Levels::left_out;
    for (judge::HostStep& step : baseline_) tell_sockets(step, load, levels);
  }
  second_ += 1;
}

}  // namespace serin::bench
