#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schema/messages.h"

// What the fold shows of itself: plain values for API, CLI, page and replay. Times are canonical µs; 0 = never.

namespace serin::core {

enum class DeployState {
  watching, rolling_back, rolled_back, recovered, not_the_cause, passed, inconclusive, frozen, held, withdrawn,
  superseded, rollback_failed,
};
std::string_view name(DeployState);

/// Of a drill: a rehearsed rollback on one host.
enum class DrillState { running, drilled, failed, refused };
std::string_view name(DrillState);

struct HostView {
  std::string host, service;
  std::string version, selected, generation;
  Phase phase = Phase::serving;
  int64_t last_heard_us = 0;
  uint32_t interval_us = 0;
  bool silent = false, conflict = false, gone = false;  ///< gone: said farewell
  uint64_t samples = 0;
  uint64_t gaps = 0;      ///< messages that were sent and never arrived (sequence numbers)
  uint64_t repeats = 0;   ///< the same (incarnation, service, sequence) again: dropped
  uint64_t late = 0;      ///< after their step had closed: counted for harm, not for evidence
  uint64_t refused = 0;   ///< age below 0 or above 1 h
  uint64_t skewed = 0;    ///< interval end clamped by more than 2 s
  std::string deploy;     ///< the open deploy it takes part in as canary, or empty
  std::string drill{};    ///< the drill that is under way there, or empty
  std::vector<Absent> absent;
  std::vector<std::pair<std::string, std::string>> facts{};  ///< by name; those that were asked for
  std::optional<AgentSelf> agent{};  ///< what the host's agent said of itself last
};

/// Which facts a view holds: what is shown of each host (the agent's version, the readiness for a
/// rollback), or every one.
enum class FactScope { few, all };

/// What untouched hosts, judged as if they were canaries, have shown of a metric.
struct PlaceboView {
  std::string metric;
  uint64_t runs = 0, fired = 0;            ///< since this start
  uint64_t runs_hour = 0, fired_hour = 0;  ///< that ended within the last hour
  double widening = 1;                     ///< factor on the spread between hosts
  bool advisory = false;                   ///< what it finds is shown, and rolls nothing back
  std::string text;                        ///< why it is advisory; empty otherwise
};

struct ServiceView {
  std::string name;
  std::vector<std::string> settled, condemned;
  size_t hosts = 0;
  std::vector<std::pair<std::string, size_t>> versions;  ///< version -> hosts running it
  std::vector<std::string> open_deploys;
  uint32_t warmup_restarts = 0;  ///< that were learnt from
  std::vector<PlaceboView> placebos{};  ///< by metric; empty before the first run ended
};

struct EvidencePoint {
  int64_t at_us = 0;
  double log_evidence = 0, threshold = 0;
  std::optional<double> canary, baseline;  ///< rates of that step
};

/// One metric of one deploy, for the pool (host empty) or one canary host.
struct MetricView {
  std::string metric, host;
  std::string process;                       ///< the e-process nearest to its threshold
  std::optional<double> canary, baseline;    ///< rates since the start of the watch
  std::optional<double> effect, effect_low, effect_high;  ///< ratio and its 95 % confidence sequence
  double log_evidence = 0, threshold = 0;    ///< natural logs
  std::optional<double> visible_effect;      ///< smallest ratio that would have been seen by now
  std::optional<double> seconds_to_must_see;  ///< until the policy's must_see would be seen; 0 = already
  std::string text;                          ///< all of this in words
  std::vector<EvidencePoint> series;         ///< at most 600 newest

  bool fired = false;
  size_t baseline_hosts = 0;                 ///< compared with in the last step
  std::optional<double> edge_seconds;        ///< latency_*: what is compared is the share of requests slower than this
  std::optional<double> quantile;            ///< latency_shape: canary and baseline are this quantile, in seconds
  std::optional<double> next_effect, seconds_to_next_effect;  ///< the next smaller ratio, and until it would be seen
  std::string must_see;                      ///< what seconds_to_must_see is about
  std::optional<double> seconds_to_rollback; ///< at the pace of the last minute; absent: it does not grow
  std::optional<double> warmup_margin;       ///< ratio that is forgiven at this age; 1 = none
  uint32_t warmup_restarts = 0;  ///< that it rests on
  std::optional<double> judged_from_seconds; ///< age of the processes before which nothing is judged
  std::optional<double> slope, baseline_slope, slope_low, slope_high;  ///< of a leak, a second; interval of the difference
  std::optional<double> room;                ///< of a leak: what is assumed to be left
  bool history_assumed = false;              ///< too little past: how hosts differ is assumed
};

struct TimelineEntry {
  int64_t at_us = 0;
  std::string kind;  ///< detected, first_bad_request, decided, commanded, accepted … verified, recovered, act, note
  std::string host;
  std::string text;
};

struct DrillView {
  std::string id, service, host;
  std::string version, target;  ///< from the first to the second and back
  std::string actor, reason;    ///< who asked for it, and why
  DrillState state = DrillState::running;
  std::string step;             ///< last step reported, or empty
  std::string text;             ///< how it ended; while it runs, what was asked for
  int64_t asked_us = 0, started_us = 0, there_us = 0, ended_us = 0;
  std::optional<double> there_seconds, back_seconds;  ///< by the host's own steps
  std::vector<TimelineEntry> timeline;
};

/// What sets a canary host apart from the hosts it is compared with, or changed there with the deploy.
struct DriftView {
  std::string host, fact, canary;
  std::string baseline;   ///< what most of the others say; empty: none of them says anything of it
  std::string before;     ///< here, before the deploy; empty: the same, or unknown
  bool blocking = false;  ///< the host left the evidence for it
  std::string text;       ///< all of this in words
};

struct CanaryHostView {
  std::string host, from;  ///< from: the version it came from
  int64_t joined_us = 0;
  std::string target;
  std::string step;        ///< last rollback step reported, or empty
  std::string reason;
  int64_t commanded_us = 0, restored_us = 0, verified_us = 0;
  bool left = false;
  bool drifted = false;    ///< it is no part of the evidence: see the deploy's drift
};

struct DeployView {
  std::string id, service, version, previous;
  uint32_t attempt = 1;
  DeployState state = DeployState::watching;
  std::string verdict;               ///< rollback, pass, inconclusive or empty
  int64_t opened_us = 0, window_ends_us = 0, decided_us = 0, ended_us = 0;
  int64_t first_bad_us = 0;          ///< end of the first interval with an error on a canary host; 0 = none
  bool same_name = false, irreversible = false, held = false, incomplete = false;
  uint32_t warmup_restarts = 0;      ///< that the margin of the warm-up rests on; 0: the default
  Reason reason;
  std::vector<CanaryHostView> hosts;
  std::vector<std::string> baseline_hosts;
  std::vector<MetricView> metrics;
  std::vector<TimelineEntry> timeline;
  uint64_t canary_requests = 0, canary_errors = 0;
  uint64_t requests_harmed = 0;      ///< server errors on canary hosts from the first bad second to restored
  std::vector<Absent> absent;        ///< metrics that are not judged, and why
  std::vector<DriftView> drift{};    ///< blocking differences first
};

}  // namespace serin::core
