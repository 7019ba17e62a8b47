#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "aggregator/core/judge/placebo_book.h"
#include "tests/unit/judge/world.h"

// A service whose untouched hosts are placebos, round after round, and whose past grows with them.

namespace serin::judge::test {

struct PlaceboWorld {
  uint32_t hosts = 20;
  double rate = 50;  ///< requests a second and host
  /// Share of errors by host and step of 10 s.
  std::function<double(uint32_t host, int64_t step)> errors = [](uint32_t, int64_t) {
    return .002;
  };
  bool latency = false;  ///< 50 ms in the middle, log sd 0.5
  bool gauges = false;   ///< CPU, memory, descriptors, threads
  bool orders = false;   ///< a business counter: a fifth of the requests
};

class PlaceboService {
 public:
  static constexpr int64_t kStep = 10;
  static constexpr size_t kPast = 270;  ///< blocks

  PlaceboService(PlaceboWorld world, uint64_t seed, Options options = {});

  /// Blocks before the first round.
  void learn(int64_t steps);
  /// So many steps of 10 s, with a round of placebos starting each watch length.
  void run(int64_t steps);
  /// The next step's hosts, as a deploy's battery takes them.
  std::vector<HostStep> next();
  void cancel(uint32_t host);

  [[nodiscard]] int64_t step() const { return step_; }
  [[nodiscard]] int64_t now() const { return step_ * kStep; }
  [[nodiscard]] std::vector<HostHistory> history() const;
  [[nodiscard]] PlaceboRecord record(const std::string& metric) const;

  Options options;
  PlaceboBook book;
  std::vector<TrustChange> changes;
  double cpu_steps = 0, cpu_starts = 0;  ///< CPU seconds that stepping took, and starting rounds

 private:
  struct Block {
    uint64_t requests = 0, errors = 0;
    ExpHistogram latency;
    double cpu = 0, rss = 0, fds = 0, threads = 0;
    std::vector<std::pair<std::string_view, double>> business;
  };
  struct Round {
    int64_t began = 0;
    PlaceboRound round;
  };
  void start_round();

  PlaceboWorld world_;
  Rng rng_;
  int64_t step_ = 0, first_round_ = -1;
  std::vector<std::deque<Block>> past_;
  std::deque<Round> rounds_;
};

}  // namespace serin::judge::test
