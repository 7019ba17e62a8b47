#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aggregator/core/judge/battery.h"

// Placebos: untouched hosts are judged as if they were canaries, each against all the others, for
// one watch. Whoever fires has no disease: the share of runs that fire is the judge's own false
// alarm rate. The steps are 10 s, so that a run costs a tenth of a watch; spread and readings are
// shared by all runs of a round.

namespace serin::judge {

/// What came out of one host's run.
struct PlaceboRun {
  uint32_t host = 0;
  struct Metric {
    std::string name;
    std::optional<int64_t> fired_step;  ///< number of the round's step, from 0
    std::string process;                ///< that fired: RE, SLOPE …
  };
  std::vector<Metric> metrics;
};

/// The hosts of a service, each for one watch length; a few start in each step, so that the cost of
/// starting is spread. Pure; not thread-safe.
class PlaceboRound {
 public:
  static constexpr double kStepSeconds = 10;
  static constexpr size_t kMostRuns = 32;
  /// The hosts that are compared at all: with more, the cost would grow with the fleet, and a
  /// comparison of one with 63 is as sharp as one with a thousand.
  static constexpr size_t kMostHosts = 64;
  static constexpr size_t kStartsPerStep = 4;
  static constexpr size_t kLeastHosts = 3;  ///< one, and two to compare it with

  /// `options` as for a deploy; what only concerns restarts is switched off here. `history`: at
  /// most kMostHosts hosts, the 10 s blocks before the first step. `candidates`: whose turn it is,
  /// at most kMostRuns, in order.
  PlaceboRound(Options options, std::vector<HostHistory> history, std::vector<uint32_t> candidates);
  ~PlaceboRound();
  PlaceboRound(PlaceboRound&&) noexcept;
  PlaceboRound& operator=(PlaceboRound&&) noexcept;

  /// One closed step of the hosts that can be compared (old enough, serving); their ages are not
  /// used. Ended runs of the step before are forgotten.
  void step(std::span<const HostStep> hosts);
  /// The host restarted, left or went silent: its run is no run, nor is it tried in this round.
  void cancel(uint32_t host);

  /// Runs that ended with the last step.
  [[nodiscard]] std::span<const PlaceboRun> ended() const;
  /// No run is under way, and none will start.
  [[nodiscard]] bool over() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace serin::judge
