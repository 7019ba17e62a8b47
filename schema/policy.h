#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"
#include "common/error.h"

namespace serin {

/// What the operator decides, for one service or by default. Shares in [0, 1], times in seconds.
struct Policy {
  enum class Mode { enforce, recommend, observe };
  Mode mode = Mode::enforce;
  double watch_window_seconds = 600;
  double false_rollback_probability = 0.01;  ///< per deploy
  /// What bears that probability out: simulation (calibrated), or a theorem, at twice the time.
  enum class Guarantee { calibrated, proven };
  Guarantee guarantee = Guarantee::calibrated;
  std::vector<std::string> stages = {"1 host", "5%", "25%", "100%"};
  double max_parallel = 0.10;
  double min_healthy = 0.70;
  int max_automatic_rollbacks_per_hour = 2;  ///< per (host, service)

  /// Smaller differences are not worth a rollback. Defaults: JUDGE §2.
  struct Margins {
    double errors_relative = 0.25;
    double errors_absolute = 0.0005;
    double latency_p50 = 0.05, latency_p90 = 0.05, latency_p99 = 0.05;
    double cpu_per_request = 0.05;
    double connections = 0.25;
    double memory = 0;  ///< growth within the watch, as a share; 0: what would fill the host in half a day
    friend bool operator==(const Margins&, const Margins&) = default;
  } margins;

  /// Fixed limits that need no statistics: a share of errors over at least `slo_min_requests` requests of one canary
  /// host within 10 s is a guardrail. 0 = off.
  double slo_errors = 0;
  int slo_min_requests = 50;
  /// Requests slower than this are compared as a metric of their own. 0 = off.
  double slo_latency_seconds = 0;
  /// What hurts in a counter of the business. One that nobody mentions: less of it does.
  enum class Hurts { lower, higher, both, ignore };
  std::map<std::string, Hurts, std::less<>> business;
  double must_see_errors = 0.01;  ///< a pass at the window's end needs 90 % power to see this share of new errors
  double must_see_latency = 2;  ///< and this ratio of p90
  int min_requests_to_pass = 500;
  double baseline_age_seconds = 120;  ///< younger processes are no baseline: their warm-up would hide a regression
  double soak_seconds = 3600;  ///< after a pass, watched on for leaks; 0 = off
  double verify_seconds = 120;    ///< a rollback that has not recovered by then was not the cause
  friend bool operator==(const Policy&, const Policy&) = default;
};

/// One step of a roll-out: a number of hosts, or a share of the fleet.
struct Stage {
  size_t hosts = 0;  ///< 0: by share
  double share = 0;
  /// Hosts of a fleet that this stage may reach: at least 1, at most all.
  [[nodiscard]] size_t of(size_t fleet) const;
};
/// "1 host", "3 hosts" or "25%"; nullopt for anything else.
std::optional<Stage> stage_from(std::string_view text);

/// The whole effective policy: `default` and per service.
struct PolicySet {
  Policy fallback;
  std::map<std::string, Policy, std::less<>> services;
  [[nodiscard]] const Policy& of(std::string_view service) const;
  friend bool operator==(const PolicySet&, const PolicySet&) = default;
};

/// Canonical JSON (sorted keys), as it stands in the `_policy` control message and in captures.
std::string to_json(const PolicySet&);
Result<PolicySet> policy_from_json(std::string_view json);
/// Reads `[policy.default]` and `[policy.<service>]` (which start from default). Problems are recorded in the table.
PolicySet policy_from_config(ConfigTable& root);

}  // namespace serin
