#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <span>
#include <vector>

#include "aggregator/core/judge/battery.h"

// A fleet for measurements, seeded: Poisson traffic, 50 ms median with a heavy tail (p99 240 ms,
// p99.9 780 ms), 0.1 % errors. Canary hosts are drawn one by one; the baseline's hosts as two
// bundles with exactly the sum's distribution, so that a fleet of a thousand costs no more than one
// of ten.

namespace serin::bench {

enum class Latencies { usual, tail_twice, second_mode };  ///< of a canary

/// Differences between hosts, noise and events; standard deviations on a log scale.
struct Unrest {
  double latency_host = 0, latency_noise = 0, latency_restart = 0;
  double errors_host = 0, errors_noise = 0, errors_restart = 0;
  double traffic = 0;   ///< swing of all traffic over half an hour
  double incident = 0;  ///< share of watches with two minutes of fleet-wide trouble
  double warmup_latency = 0, warmup_errors = 0;  ///< log; fades with 20 and 15 s
  double missing = 0;                            ///< share of a canary's seconds without a report
};
inline constexpr Unrest kQuiet{};
inline constexpr Unrest kUnrest{.latency_host = .05,
                                .latency_noise = .03,
                                .latency_restart = .02,
                                .errors_host = .2,
                                .errors_noise = .2,
                                .errors_restart = .1,
                                .traffic = .3,
                                .incident = .3,
                                .warmup_latency = .5,
                                .warmup_errors = .4,
                                .missing = .01};

struct PooledWorld {
  uint32_t canaries = 1, hosts = 1000;
  double rate = 50;  ///< requests a second and host
  double errors = 0.001;
  Unrest unrest;
  Latencies latencies = Latencies::usual;
  double slower = 1, more_errors = 1;  ///< factors on a canary
  uint32_t history_hosts = 100;        ///< at most; they stand for all
  int history_blocks = 360;            ///< 10 s each
};

using Rng = std::mt19937_64;
uint64_t poisson(Rng& rng, double mean);

/// The past of a fleet: levels of its hosts and their 10 s blocks. Dear, so several deploys may
/// share one, each with other hosts as canary.
class Past {
 public:
  Past(const PooledWorld& world, uint64_t seed);
  /// With given levels of the hosts, log scale; without latencies where `with_latency` is false.
  Past(const PooledWorld& world, std::span<const double> latency_levels,
       std::span<const double> errors_levels, bool with_latency, uint64_t seed);
  /// Hosts first … first + canaries - 1 (modulo) are marked as canary.
  [[nodiscard]] std::vector<judge::HostHistory> history(uint32_t first) const;
  [[nodiscard]] uint32_t hosts() const { return static_cast<uint32_t>(latency_.size()); }
  [[nodiscard]] double latency_level(uint32_t host) const { return latency_[host % hosts()]; }
  [[nodiscard]] double errors_level(uint32_t host) const { return errors_[host % hosts()]; }

 private:
  void draw(bool with_latency, Rng& rng);

  PooledWorld world_;
  std::vector<double> latency_, errors_;
  std::vector<judge::HostHistory> history_;
  std::deque<ExpHistogram> histograms_;
};

/// One watch, second after second.
class PooledFleet {
 public:
  PooledFleet(const PooledWorld& world, const Past& past, uint32_t first, uint64_t seed,
              double watch_seconds);
  void next();
  [[nodiscard]] double at() const { return at_; }
  std::vector<judge::HostStep> canary, baseline;

 private:
  struct Cohort {
    double latency, errors;              // levels, log
    double latency_noise, errors_noise;  // now
    double noise_scale;                  // 1 / sqrt(hosts)
    double load;                         // requests a second
    double warmup;
    ExpHistogram histogram;
  };
  void draw(Cohort& c, bool is_canary, double traffic, judge::HostStep& out);

  PooledWorld world_;
  Rng rng_;
  std::normal_distribution<double> normal_;
  std::vector<Cohort> cohorts_;  // canaries first
  std::vector<uint32_t> hosts_;  // of the canaries
  double at_ = 0, wave_phase_ = 0, incident_from_ = -1, traffic_noise_ = 0, share_noise_ = 0;
};

/// Relative entropy of one canary request against a baseline request, nats: what an observer who
/// knew both distributions would gain from it.
double information(const PooledWorld& world);

}  // namespace serin::bench
