#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "aggregator/core/judge/spread.h"

// Everything of a count stream's test that is fixed before its first step: grid, weights, margins
// and thresholds. One plan serves the stream itself and its power estimates.

namespace serin::judge {

enum class Process { random_effects, boundary, slow, late };
inline constexpr size_t kProcesses = 4;
/// Short names as they are shown: RE, BND, SRS, SRF.
const char* name(Process);

struct CountOptions {
  double alpha = 0.01;  ///< of this stream
  NullModel null;
  double margin = 0;  ///< practical margin, log odds
  double seconds_per_step = 1;
  double horizon_seconds = 3600;  ///< of the prior on late starts
  double noise_seconds = 60;      ///< twice the correlation time of host noise
  /// Further starts of the random-effects test, so that a canary that did not warm up does not
  /// carry the debt of its warm-up margin for ever.
  bool fresh_starts = true;
  /// No bet on effects that the warm-up margin covers at the moment.
  bool patient_alternatives = true;
  /// How much further than half a threshold one step may climb. 1 for evidence; more for power
  /// estimates, whose steps are longer.
  double cap_factor = 1;
};

struct CountPlan {
  static constexpr size_t kNear = 17;  ///< -4 s … 4 s in steps of s/2
  static constexpr size_t kFar = 26;   ///< geometric up to kTop
  static constexpr size_t kGrid = kNear + kFar;
  static constexpr double kTop = 8;
  static constexpr size_t kAlternatives = 9;
  static constexpr std::array<double, kAlternatives> kSteps = {0.05, 0.1, 0.2, 0.4, 0.8,
                                                               1.5,  2.5, 4.0, 6.0};
  static constexpr size_t kStarts = 5;
  static constexpr std::array<double, kStarts> kStartSeconds = {0, 30, 60, 120, 240};

  explicit CountPlan(const CountOptions& options);

  CountOptions options;
  std::array<double, kGrid> u, odds;  ///< log odds ratio against the baseline, and e^u
  std::array<double, kGrid> null_weight, worse_weight;
  size_t starts = 1;
  std::array<double, kStarts> start_weight{1, 0, 0, 0, 0};
  std::array<double, kProcesses> threshold;  ///< log(1 / alpha of the process)
  std::array<double, kProcesses> cap;        ///< most that one step may add
  std::array<double, kProcesses> bound{};    ///< u_m of the boundary processes
};

/// Steps of s/2 in [-4 s, 4 s], then geometric ones up to `top` > 4 s.
std::array<double, CountPlan::kGrid> effect_grid(double s, double top);

/// Half the distance of the neighbours, one-sided at the ends.
template <size_t N>
std::array<double, N> cell_widths(const std::array<double, N>& grid) {
  std::array<double, N> width{};
  for (size_t j = 1; j + 1 < N; ++j) width[j] = 0.5 * (grid[j + 1] - grid[j - 1]);
  width[0] = grid[1] - grid[0];
  width[N - 1] = grid[N - 1] - grid[N - 2];
  return width;
}

/// Bad and all requests of canary and baseline in one step. Not integers after tempering.
struct Counts {
  double canary_bad = 0, canary = 0, baseline_bad = 0, baseline = 0;
  bool unbounded = false;  ///< more bad ones than requests are possible
};

/// Given the total of bad requests, the canary's number is hypergeometric; its cumulant function is
/// bounded by a binomial one: K(u) = trials * log(1 + share * (e^u - 1)).
struct Branch {
  double trials = 0, share = 0;

  explicit Branch(const Counts& c) {
    const double all = c.canary + c.baseline, bad = c.canary_bad + c.baseline_bad;
    if (all <= 0) return;
    const double canary_share = c.canary / all, bad_share = bad / all;
    const bool by_requests = bad_share >= canary_share && !c.unbounded;
    trials = by_requests ? c.canary : bad;
    share = by_requests ? bad_share : canary_share;
  }
  [[nodiscard]] double cumulant(double odds) const {
    return trials * std::log1p(share * (odds - 1));
  }
  [[nodiscard]] double expected() const { return trials * share; }
  [[nodiscard]] double information() const { return trials * share * (1 - share); }
};

}  // namespace serin::judge
