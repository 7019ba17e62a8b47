#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/facts.h"
#include "aggregator/core/judge/battery.h"
#include "aggregator/core/steps.h"
#include "aggregator/core/view.h"

namespace serin::core {

/// One host of a deploy's canary cohort, and how far it has been put back.
struct Canary {
  uint32_t host = 0;         ///< Track::index
  std::string name;
  std::string from;          ///< the version it came from
  int64_t joined_us = 0;
  bool left = false;         ///< runs something else now
  bool restored_by_us = false;  ///< left because our command put it back

  std::string target;        ///< what it is put back to
  std::string command;       ///< command id; empty: not commanded
  int ordinal = 0;           ///< counts up when a host that was put back runs the version again
  uint32_t revision = 0;
  int64_t commanded_us = 0, next_issue_us = 0;
  std::string step, reason;  ///< last step reported
  int64_t restored_us = 0, verified_us = 0;
  int64_t left_us = 0;
  bool failed = false, failure_told = false;
  bool flag_off = false;     ///< runs the version on: a feature flag was turned off instead
  bool taken_back = false;    ///< its command was, before the host had answered
  bool dead_man = false;      ///< went back by itself
  std::string superseded;     ///< the command that was taken back before this one

  Facts facts_before;        ///< what was known of the host when it joined
  bool drifted = false;      ///< left the evidence for good: the host differs in more than the version

  struct Second {
    int64_t second = 0;
    uint64_t requests = 0, errors = 0;
  };
  std::deque<Second> recent;  ///< the last 10 s, for the fixed limit on errors

  /// Commanded, and neither verified nor failed. A host that left by our command is still being verified.
  /// Runs the target again, by its own word or by the version that started there.
  [[nodiscard]] bool back() const { return verified_us != 0 || restored_by_us; }
  [[nodiscard]] bool in_flight() const {
    return !command.empty() && verified_us == 0 && !failed && !taken_back && !dead_man && (!left || restored_by_us);
  }
};

/// A deploy from its first host to its end.
struct Deploy {
  static constexpr size_t kMaxTimeline = 500;
  static constexpr size_t kMaxSeries = 600;  ///< ten minutes at one a second
  static constexpr size_t kEndedSeries = 30;  ///< of one that has ended: enough to draw

  std::string id, service, version, previous;
  uint32_t attempt = 1;
  size_t stage = 0;             ///< index into the policy's stages that this watch is for
  DeployState state = DeployState::watching;
  std::string verdict;
  Reason reason;
  std::string actor;
  int64_t opened_us = 0, last_join_us = 0, decided_us = 0, ended_us = 0, rolled_back_us = 0;
  int64_t first_bad_us = 0;
  int64_t baseline_seen_us = 0;  ///< when there were last at least two hosts to compare with
  double recovery_requests = 0;  ///< of restored hosts since they were put back
  bool same_name = false, irreversible = false, held = false, incomplete = false;
  bool incident_told = false, held_told = false;
  std::vector<DriftView> drift;  ///< of the hosts that are there, as of the last look; of one that ended, of then
  uint64_t drift_seen = 0;       ///< Service::facts_revision of that look
  static constexpr size_t kMaxDrift = 100;
  std::vector<std::string> advisory_told;  ///< metrics that fired and may not decide
  std::vector<Canary> canaries;
  std::vector<std::string> baseline_versions;
  std::vector<std::string> baseline_hosts;  ///< of the last step
  std::vector<TimelineEntry> timeline;
  std::map<std::string, std::deque<EvidencePoint>> series;  ///< "errors" or "errors@host"

  int64_t first_second = 0;     ///< evidence second 0 of the watch
  int step_seconds = 1;
  bool cadence_settled = false;  ///< 1 s or 10 s steps: decided 15 s into the watch
  double alpha_share = 1;       ///< of the deploy's budget; halved when the battery is made anew
  uint32_t warmup_restarts = 0;  ///< that its margins rest on
  std::optional<judge::Battery> battery;  ///< while it is open
  std::vector<judge::Finding> last_findings;  ///< of one that has ended
  std::vector<Cell> canary_step, baseline_step;  ///< what the step being gathered holds
  uint64_t canary_requests = 0, canary_errors = 0, requests_harmed = 0;
  uint64_t baseline_requests = 0, baseline_errors = 0;
  /// What is usual, from the past of all hosts: the share of errors, and the bucket that a tenth of the
  /// requests is above.
  double history_error_rate = 0;
  int32_t history_slow_bucket = ExpHistogram::kMaxIndex;
  struct FleetSecond {
    int64_t second = 0;
    uint64_t requests = 0, errors = 0;
    uint64_t timed = 0, slow = 0;  ///< with a latency; of them, above the usual p90
  };
  static constexpr size_t kFleetWindowSeconds = 30;
  std::deque<FleetSecond> baseline_recent;  ///< for fleet-wide trouble

  std::optional<double> fired_edge_seconds;  ///< latency metrics: "slower than this" is what was compared
  std::optional<judge::Recovery> recovery;
  int recovery_quiet_seconds = 0;  ///< all restored hosts serve and nothing died

  [[nodiscard]] bool open() const { return ended_us == 0; }
  [[nodiscard]] std::vector<judge::Finding> findings() const {
    return battery ? battery->findings() : last_findings;
  }
  /// Nobody judges it any more: what is shown is kept, and the judge let go.
  void close_evidence();
  [[nodiscard]] bool acting() const {
    return state == DeployState::rolling_back || state == DeployState::rollback_failed;
  }
  /// Its verdict has not touched any host yet: no command was answered, nobody has left.
  [[nodiscard]] bool nothing_changed() const;
  Canary* find(uint32_t host);
  [[nodiscard]] size_t present() const;  ///< canary hosts that have not left
  [[nodiscard]] size_t judged() const;   ///< of them, those that are part of the evidence
  /// Of the canary hosts; all when `which` is null.
  [[nodiscard]] std::vector<std::string> host_names(bool (*which)(const Canary&) = nullptr) const;
  void note(int64_t at_us, std::string kind, std::string host, std::string text);
};

/// How the hosts came back, and what it cost.
std::string words_rolled_back(const Deploy& deploy);

}  // namespace serin::core
