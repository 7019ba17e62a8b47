#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/core/judge/warmup.h"
#include "common/exp_histogram.h"

// The judge of one deploy: every metric, for the pool of canary hosts and for each canary host.
// Pure: no I/O, no clock. Whoever owns it feeds closed evidence steps in order. Rates, effects and
// limits are ratios; evidence is in natural logs. What the history shows is
// judged: errors always; latency, CPU per request, memory, descriptors, threads, connections and
// counters (of the business, of connecting that failed) where the blocks hold them. Absent metrics
// leave their share of alpha to the others.
// Stepping does not allocate once every host has been seen.

namespace serin::judge {

/// What one host did in one evidence step, or in one 10 s block of history.
struct HostStep {
  uint32_t host = 0;       ///< index, stable for the life of a Battery
  double age_seconds = 0;  ///< of the process, at the step's start
  double seconds = 0;      ///< that amounts cover, where that is longer than the step
  uint64_t requests = 0;
  uint64_t errors = 0;
  const ExpHistogram* latency = nullptr;  ///< may be null
  std::optional<double> cpu_seconds{}, rss_bytes{}, fds{}, threads{};
  std::optional<double> connections{};  ///< that the service opened or has not closed: a level
  std::optional<double> failed_connects{}, accept_overflows{};  ///< amounts
  std::span<const std::pair<std::string_view, double>> business{};
  uint32_t unexpected_ends = 0;  ///< of the process, within the step
};

/// The past of one host on the old version: 10 s blocks, the same block index is the same time on
/// every host.
struct HostHistory {
  uint32_t host = 0;
  bool canary = false;  ///< will be a canary host of this deploy
  struct Block {
    int32_t index = 0;  ///< ascending; missing blocks are left out
    uint64_t requests = 0, errors = 0;
    const ExpHistogram* latency = nullptr;  ///< read by the constructor only; may be null
    std::optional<double> cpu_seconds{}, rss_bytes{}, fds{}, threads{};
    std::optional<double> connections{}, failed_connects{}, accept_overflows{};
    uint32_t unexpected_ends = 0;
    std::span<const std::pair<std::string_view, double>> business{};
  };
  std::vector<Block> blocks{};
};

/// A business counter and the direction that hurts.
struct BusinessCounter {
  enum class Worse { lower, higher, both };
  std::string name;
  Worse worse = Worse::lower;
};

/// How far a metric may be trusted: its record on untouched hosts (placebo_book.h).
struct Trust {
  std::string metric;
  double widening = 1;    ///< factor on the spread between hosts
  bool advisory = false;  ///< what it finds is shown, and rolls nothing back
};

/// The calibrated factor on every alpha but those of restarts and leaks, whose bounds are exact.
/// Found by simulation and borne out on other seeds: bench/judge/results.
inline constexpr double kInflation = 10;

/// Margins, and what it takes to decide. Defaults suit a service nobody has tuned.
struct Options {
  double false_rollback_probability = 0.01;
  double inflation = kInflation;
  double errors_relative = 0.25;    ///< practical margin of the error ratio
  double errors_absolute = 0.0005;  ///< a canary error rate below this is nobody's problem
  double window_seconds = 600;
  double step_seconds = 1;        ///< 1, or 10 where half of the baseline is not at 1 s
  double must_see_errors = 0.01;  ///< as in Policy
  double warmup_factor_errors =
      4;  ///< the fading default margin: log(factor) * exp(-age / tau); 1 = none
  double warmup_tau_errors_seconds = 15;
  /// Practical margins: slower by this share is not worth a rollback. p99.9 takes p99's.
  double latency_p50 = 0.05, latency_p90 = 0.05, latency_p99 = 0.05;
  double latency_slo_seconds = 0;  ///< an edge of its own; 0 = none
  /// Above 0: only slopes of gauges are judged, from this process age on; the window ends at an age
  /// too, and steps count from when the hosts joined.
  double slopes_from_seconds = 0;
  double must_see_latency_ratio = 2;  ///< of p90
  double cpu_per_request = 0.05;
  double connections = 0.25;  ///< follow traffic, of which a canary has now more, now less
  std::vector<BusinessCounter> business{};
  /// Whether whoever feeds the battery fills `unexpected_ends`; otherwise restarts are not judged.
  bool restarts = false;
  /// A leak is what fills this within half a day; with `memory_growth`, what adds this share to the
  /// memory of before within the watch.
  double memory_left_bytes = 8e9, fds_left = 1000;
  double memory_growth = 0;
  double warmup_factor_latency = 4, warmup_tau_latency_seconds = 20;
  /// What earlier restarts of the service needed; null: the default margins alone.
  std::shared_ptr<const WarmupProfile> warmup{};
  std::vector<Trust> trust{};  ///< metrics that are not named are trusted
  /// Untouched hosts are judged, which did not restart: no change between restarts is allowed for,
  /// nothing warms up; neither the whole-histogram engine nor restarts take part.
  bool placebo = false;
};

/// One e-process battery's standing: a metric, for the pool (host absent) or one canary host.
struct Finding {
  std::string metric;  ///< "errors", "latency_p99" …
  /// latency_*: what is compared is the share of requests slower than this
  std::optional<double> edge_seconds{};
  /// latency_shape: which quantile `canary` and `baseline` are (0.5 … 0.999): the one farthest apart
  std::optional<double> quantile{};
  std::optional<uint32_t> host{};          ///< absent: the pool, or the only canary host
  std::string process;                     ///< nearest to its threshold: RE, BND, SRS, SRF …
  double log_evidence = 0, threshold = 0;  ///< of that process
  bool fired = false;
  std::optional<double> canary{}, baseline{};  ///< rates over the watch
  /// Ratio (of rates, or of latencies) with its 95 % confidence sequence.
  std::optional<double> effect{}, effect_low{}, effect_high{};
  /// Smallest ratio that would have been seen by now, by expected evidence.
  std::optional<double> visible_effect{};
  /// The next smaller ratio, and how long until it would be seen at this traffic.
  std::optional<double> next_effect{}, seconds_to_next_effect{};
  /// Until what must be seen would be seen at this traffic; 0 = already. `must_see`: in words.
  std::optional<double> seconds_to_must_see{};
  std::string must_see{};
  /// The ratio that is forgiven at the moment because the process warms up; 1 = nothing any more.
  std::optional<double> warmup_margin{};
  /// Nothing is judged before the youngest process has this age; absent once it has.
  std::optional<double> judged_from_seconds{};
  /// Of a leak: growth a second of the canary and of the others over the last look, the 95 %
  /// interval of the difference, and the room that would be filled (assumed: no host reports it).
  std::optional<double> slope{}, baseline_slope{}, slope_low{}, slope_high{}, room{};
  double spread = 0;             ///< sd of the null in log odds
  bool history_assumed = false;  ///< too little past: priors rule
  bool advisory = false;         ///< fires on untouched hosts too: shown, and rolls nothing back
};

struct PassAnswer {
  bool pass = false;
  std::string why_not;  ///< in words, when not: what is missing and what would settle it
};

class Battery {
 public:
  /// `history`: every host that ran the old version before, canary hosts included (marked). Hosts
  /// without a past are simply not in it. Edges, grids and spreads are fixed here, from data before
  /// the deploy.
  Battery(const Options& options, std::vector<HostHistory> history);
  ~Battery();
  Battery(Battery&&) noexcept;
  Battery& operator=(Battery&&) noexcept;

  /// A canary host joins (the first ones too, before their first step). A host that is alone at the
  /// first step has all of the alpha; otherwise the pool has half and the i-th host 1 / (2 i
  /// (i+1)). Hosts that join within 10 s of each other are one group, whose pool needs more until
  /// it is complete; a later one starts the pool anew with half of its alpha. So the bound on a
  /// false rollback is exact for hosts that start together, and at most 7/4 of it where others
  /// follow.
  void join(uint32_t host, double at_seconds);
  /// A canary host left (rolled back, gone): its own engine stops and later steps of the pool do
  /// not hold it.
  void leave(uint32_t host);

  /// One closed step, `at_seconds` = its end since the start of the watch. Hosts that are missing,
  /// starting or drifted are left out by the caller; the late-start prior is paid for every step,
  /// also an empty one.
  void step(double at_seconds, std::span<const HostStep> canary,
            std::span<const HostStep> baseline);

  /// What this metric finds from now on rolls nothing back: it has fired on untouched hosts.
  void demote(std::string_view metric);

  /// The first finding of a metric that may decide and that fired, latched; null while none has.
  [[nodiscard]] const Finding* fired() const;
  /// All findings as of the last step, pool first.
  [[nodiscard]] std::vector<Finding> findings() const;

  /// May it pass before the window ends? Age and traffic rules are the caller's.
  [[nodiscard]] PassAnswer pass_early() const;
  /// At the window's end: no process above half its threshold and must_see visible by now with 90 %
  /// power.
  [[nodiscard]] PassAnswer pass_at_end() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Confirms that hosts which were put back are well again: an e-process against "still sick", which
/// means that their errors are at least `still_bad_ratio` times the baseline's and at least
/// `still_bad_rate` of their requests. Given the total of bad requests, so that changes of the
/// whole fleet cancel; beside it the hosts' own rate, since a baseline without errors tells nothing
/// about ratios.
class Recovery {
 public:
  /// `still_bad_ratio` > 1: e.g. the square root of the ratio that was found. `alpha`: chance to
  /// call a sick host well. `still_bad_rate`: e.g. the geometric mean of the rates when sick and
  /// before; 0 = `still_bad_ratio` x 0.0005.
  Recovery(double still_bad_ratio, double alpha, double still_bad_rate = 0);
  void step(double canary_requests, double canary_errors, double baseline_requests,
            double baseline_errors);
  [[nodiscard]] bool recovered() const { return highest_ >= threshold_; }
  [[nodiscard]] double log_evidence() const { return now_; }
  [[nodiscard]] double threshold() const { return threshold_; }

 private:
  static constexpr size_t kAlternatives = 5;

  double ratio_log_odds_, rate_, threshold_;
  double now_ = 0, highest_ = 0, rest_ = 0;
  std::array<double, kAlternatives> by_ratio_{},
      by_rate_{};  // start-time mixtures over alternatives
};

}  // namespace serin::judge
