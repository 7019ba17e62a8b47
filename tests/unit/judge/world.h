#pragma once

#include <cmath>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/core/judge/battery.h"
#include "aggregator/core/judge/count_plan.h"

// A small seeded world for the judge's tests: hosts with levels of their own, autocorrelated noise,
// Poisson traffic.

namespace serin::judge::test {

using Rng = std::mt19937_64;

double normal(Rng& rng);
uint64_t poisson(Rng& rng, double mean);
uint64_t binomial(Rng& rng, uint64_t n, double p);

struct World {
  uint32_t hosts = 20;
  uint32_t canaries = 1;                             ///< hosts 0 … canaries - 1
  double rate = 50;                                  ///< requests a second and host
  double errors = 0.001;                             ///< usual share
  double host_sd = 0, noise_sd = 0, restart_sd = 0;  ///< log scale
  double noise_tau_seconds = 20;
  double wave = 0;  ///< traffic swings by this share over half an hour
  double step_seconds = 1;
  int history_blocks = 60;                   ///< 10 s blocks before the deploy
  int incident_from = -1, incident_to = -1;  ///< in the watch, seconds: errors x10 on all hosts
  int past_incident_from = -1, past_incident_to = -1;  ///< the same in the history, blocks
  bool latency = false;  ///< requests have latencies: 50 ms in the middle, with a heavy tail
  double latency_host_sd = 0, latency_noise_sd = 0, latency_restart_sd = 0;  ///< log scale
  /// Factor on a canary's latencies, by second of the watch; in an incident all are 1.5 times as
  /// slow.
  std::function<double(double seconds)> slower = [](double) { return 1.0; };
  double slow_share = 0,
         slow_seconds = 0;  ///< this share of a canary's requests takes so much longer
  /// Factor on a canary's error share, by second of the watch.
  std::function<double(double seconds)> effect = [](double) { return 1.0; };
};

/// Hosts with latencies that differ as real ones do: 5 % by nature, 3 % of noise, 2 % from restart
/// to restart.
World uneven_latency(uint32_t hosts, double rate);

/// One run: the history first, then step after step.
class Fleet {
 public:
  Fleet(const World& world, uint64_t seed);

  std::vector<HostHistory> history();
  /// Draws the next step into canary and baseline.
  void next();

  [[nodiscard]] double at() const { return at_; }  ///< end of the last step
  std::vector<HostStep> canary, baseline;

 private:
  double share(uint32_t host, double dt);
  void move_latency(uint32_t host, double dt);
  void draw_latency(ExpHistogram& into, uint64_t requests, double level, bool slow_mode);

  World world_;
  Rng rng_;
  double at_ = 0;
  std::vector<double> level_, noise_, restart_;
  std::vector<double> latency_level_, latency_noise_, latency_restart_;
  std::vector<ExpHistogram> now_;  // by host
  std::deque<ExpHistogram> past_;  // the history points here
};

/// One canary, host 0, watched second after second beside `hosts` - 1 others.
class OneCanary {
 public:
  /// What a host does in the second that ends at `t`; hosts are asked in their order.
  using Draw = std::function<HostStep(uint32_t host, double age, double t)>;

  /// The metric that fires within `seconds`, and when; nothing and `seconds` where none does.
  std::pair<std::string, double> watch(const Options& options, std::vector<HostHistory> history,
                                       uint32_t hosts, double seconds, const Draw& draw);
  /// As of the end, where nothing fired; null: no such metric.
  [[nodiscard]] const Finding* found(const std::string& metric) const;

  Finding last;  ///< what fired
  std::vector<Finding> findings;
};

/// Seconds until a battery fires on this world; infinity: not within `seconds`.
double seconds_to_fire(const World& world, uint64_t seed, double seconds, Options options = {});

}  // namespace serin::judge::test
