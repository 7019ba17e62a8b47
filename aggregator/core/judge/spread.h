#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// How different hosts of one version are by nature: variance components on the log-odds scale, by
// moments, from the 10 s blocks before the deploy. What is expected of a host in a block is its
// requests times the fleet's rate in that same block, so that a wave or an incident in the past
// cancels. Computed once.

namespace serin::judge {

/// Prior variances on the log-odds scale, and how sure they are.
struct SpreadPrior {
  double slow = 0.02, fast = 0.02, sd = 0.03;
};
inline constexpr SpreadPrior kErrorPrior{.slow = 0.02, .fast = 0.02, .sd = 0.03};
inline constexpr SpreadPrior kLatencyPrior{.slow = 0.005, .fast = 0.005, .sd = 0.01};

struct BlockCount {
  int32_t index = 0;
  double requests = 0, bad = 0;
};

struct HostBlocks {
  uint32_t host = 0;
  bool canary = false;
  std::vector<BlockCount> blocks{};  ///< ascending by index, 10 s each
};

/// What a cohort of canary hosts would look like if the new version were no worse.
struct NullModel {
  double centre = 0;  ///< log odds against the baseline that their own past leads one to expect
  double s = 0;       ///< sd of the true difference, all in
  double s_slow = 0, s_fast = 0;
  double degrees = 4;
  double clumping = 1;  ///< variance over mean of the counts; above 1.2 they are divided by it
};

/// The same null with a wider spread, for a metric that fired on untouched hosts.
NullModel widened(NullModel null, double factor);

/// How counts scatter: at most one bad one per request, or any number (a counter of its own). Where
/// there is no upper bound, log odds are log rates.
enum class Law { binomial, poisson };

class Spread {
 public:
  /// `floor`: restart-to-restart change of one host, log odds.
  Spread(std::span<const HostBlocks> history, const SpreadPrior& prior, double floor,
         Law law = Law::binomial);

  [[nodiscard]] NullModel null_for(std::span<const uint32_t> canary, size_t baseline_hosts) const;

  /// Own level of a host against the fleet, shrunk; 0 for a host without a past.
  [[nodiscard]] double level(uint32_t host) const;
  /// Usual requests of a host in the history; the mean of all for a host without a past.
  [[nodiscard]] double weight(uint32_t host) const;
  /// Level of the hosts that the fleet's rate was taken from.
  [[nodiscard]] double reference_level() const { return reference_level_; }

  /// Too little past for a variance: priors rule.
  [[nodiscard]] bool assumed() const { return assumed_; }
  /// Hosts that were not marked as canary.
  [[nodiscard]] size_t baseline_hosts() const { return baseline_hosts_; }
  /// Bad share over the whole history of the reference hosts; 0 without one.
  [[nodiscard]] double usual_rate() const { return usual_rate_; }

  struct Components {
    double persistent = 0, drift = 0, fast = 0, clumping = 1;
  };
  [[nodiscard]] const Components& components() const { return components_; }

 private:
  struct Own {
    double level = 0,
           unexplained = 0;  ///< shrunk log odds; share of the persistent variance left, 1 - B
    double requests = 0;
    bool known = false;
  };
  const Own* find(uint32_t host) const;

  Components components_;
  double floor_ = 0, prior_degrees_ = 4;
  size_t hosts_ = 0, baseline_hosts_ = 0;
  double mean_requests_ = 1, reference_level_ = 0, usual_rate_ = 0;
  bool assumed_ = true;
  std::vector<Own> own_;  // by host index
};

/// Precision-weighted mean of a variance estimate and its prior, plus half its standard error:
/// erring to the wide side.
double shrink_variance(double estimate, double standard_error, double prior, double prior_sd);

}  // namespace serin::judge
