#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "aggregator/core/judge/battery.h"
#include "bench/judge/host_states.h"
#include "bench/judge/latency_law.h"
#include "bench/judge/nature.h"
#include "bench/judge/random.h"
#include "bench/judge/socket_states.h"

// A simulated fleet during one deploy, as the judge sees it: first the past of every host, then
// step after step of a second. Everything follows from the seed.
//
// The baseline's requests are drawn as one sum: independent Poisson counts add up to a Poisson
// count, so nothing is lost but who served what, which the judge does not look at. The sum rides on
// the first host that reports; the others report zero requests, so that it is known who is there.
// Once in ten seconds all report their sizes and CPU, and the sum is shared out evenly.

namespace serin::bench {

inline constexpr std::string_view kOrders = "orders";

/// What is wrong with the new version; nothing by default.
struct Effect {
  double errors = 1;   ///< factor on the share of errors
  double latency = 1;  ///< factor on latencies
  LatencyShape shape = LatencyShape::usual;
  double onset_seconds = 0;
};

struct Scene {
  Nature nature = kHeterogeneous;
  uint32_t canaries = 1, hosts = 20;  ///< hosts 0 … canaries - 1 run the new version
  double requests_per_host = 100;     ///< a second
  double history_seconds = 3600, watch_seconds = 900;
  Effect effect{};
  /// each_host: every host reports all of it every second
  enum class Baseline { pooled, each_host } baseline = Baseline::pooled;
};

class World {
 public:
  World(const Scene& scene, uint64_t seed);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Blocks of 10 s before the deploy. Latencies point into the world until forget_history().
  /// Call it once, before next().
  std::vector<judge::HostHistory> history();
  void forget_history();

  /// Draws the next second.
  void next();
  [[nodiscard]] double at_seconds() const { return second_; }  ///< end of the last step
  [[nodiscard]] std::span<const judge::HostStep> canary() const { return canary_; }
  [[nodiscard]] std::span<const judge::HostStep> baseline() const { return baseline_; }

 private:
  using Business = std::pair<std::string_view, double>;
  /// How a host serves at the moment, log scale.
  struct Level {
    double latency = 0, errors = 0, orders = 0;
  };
  struct Served {
    uint64_t requests = 0, errors = 0, orders = 0;
  };

  double traffic(double seconds);
  void move_sizes();
  void move_levels(double weight);
  void restart_canaries();
  [[nodiscard]] bool incident() const;
  /// Expected requests are `load` times the sum of `latency_shares`.
  Served serve(double load, std::span<const double> latency_shares, double error_share,
               double order_share, ExpHistogram& latency);
  judge::HostHistory::Block block(uint32_t host, int32_t index, double load);
  void step_canary(uint32_t host, double load);
  void step_pooled(double load_per_host);
  void move_sockets(double load_per_host);
  enum class Levels { told, left_out };
  void tell_sockets(judge::HostStep& step, double load, Levels levels);
  void step_each(double load_per_host);
  void report(judge::HostStep& step, const Served& served);
  void report_sizes(judge::HostStep& step);
  void share_out();
  [[nodiscard]] double cpu_seconds(uint32_t host, double requests) const;
  [[nodiscard]] double error_share(const Level& level) const;
  [[nodiscard]] double order_share(const Level& level) const;

  Scene scene_;
  Rng rng_;
  TraitStates latency_, errors_, orders_, cpu_;
  SizeStates rss_, fds_, threads_;
  SocketStates sockets_;
  std::vector<double> cpu_block_;  // by host
  double phase_, wave_seconds_ = 0;
  Noise traffic_, share_;
  std::optional<double> incident_from_;
  double warmup_factor_ = 1;

  double second_ = 0;
  std::vector<Level> level_;  // by host
  std::deque<ExpHistogram> past_;
  std::deque<Business> past_orders_;
  std::vector<judge::HostStep> canary_, baseline_;
  std::vector<ExpHistogram> now_;     // by host; the baseline's sum is with the host it rides on
  std::vector<Business> orders_now_;  // by host
  std::vector<double> failed_, overflowed_;  // by host, in the last block of the past
  std::vector<double> intensity_;            // scratch, by bucket
  std::vector<uint64_t> counts_;             // scratch, by bucket
  std::vector<uint32_t> hosts_at_shift_;     // scratch, by shift index
};

}  // namespace serin::bench
