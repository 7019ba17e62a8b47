#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "aggregator/core/deploy.h"
#include "aggregator/core/drill.h"
#include "aggregator/core/effects.h"
#include "aggregator/core/fold.h"
#include "aggregator/core/host_book.h"
#include "aggregator/core/placebo.h"
#include "aggregator/core/soak.h"
#include "aggregator/core/track.h"
#include "aggregator/core/warmup_learner.h"

// The inside of the fold. Its functions lie in files by what they are about: fold.cpp (the door), intake.cpp
// (samples, events, acts), watch.cpp (a deploy opens, hosts join and leave, it ends), past.cpp (the judge is told what
// was before), placebo.cpp (untouched hosts as canaries), evidence.cpp (seconds close and are judged), soak.cpp (leaks
// after a pass), drift_watch.cpp (hosts that differ in more than the version), guard.cpp (guardrails), rollback.cpp (commands, steps, recovery), cancel.cpp (commands taken back),
// confirm.cpp (what is held healthy), returned.cpp (hosts that went back by themselves, and whether they agree),
// drill.cpp (rehearsals), show.cpp (views, gate).

namespace serin::core {

/// What is known of one version of a service.
struct VersionRecord {
  bool settled = false;
  int64_t condemned_us = 0;  ///< 0: not condemned
  uint32_t attempts = 0;     ///< deploys opened so far
  size_t stage_passed = 0;   ///< stages 0 … stage_passed-1 were passed
  bool irreversible = false;  ///< declared
};

struct Service {
  std::string name;
  int64_t first_seen_us = 0;
  bool remembered = false;  ///< the audit knew it: what runs now is not settled just by being first seen
  std::vector<std::unique_ptr<Track>> tracks;
  std::map<std::string, uint32_t, std::less<>> by_host;
  std::map<std::string, VersionRecord, std::less<>> versions;
  CounterBook counters;     ///< of the business
  StepTable steps;
  WarmupLearner learner;
  std::shared_ptr<const judge::WarmupProfile> warmup;  ///< null: nothing learnt yet
  std::unique_ptr<Soak> soak;  ///< of the version that passed last; null: none
  Placebos placebos;
  bool watching = false;    ///< seconds are being closed
  bool slow_steps = false;  ///< a deploy is judged in steps of 10 s: hosts at that cadence are waited for
  int64_t next_second = 0;  ///< the next one to close
  int64_t last_time_check_us = 0, last_late_check_us = 0;
  uint64_t facts_revision = 1;  ///< counts up when a host's facts, or who is compared with whom, change
  size_t waiting_for = 0;   ///< the host whose report the next second was last seen to wait for

  [[nodiscard]] bool settled(std::string_view version) const;
  [[nodiscard]] bool condemned(std::string_view version, int64_t now_us) const;
  [[nodiscard]] const Track* find(std::string_view host) const;  ///< null: not known
  [[nodiscard]] size_t present_hosts() const;  ///< hosts that have not said farewell
};

/// The kernel killed one of the service's processes because memory ran out.
bool tells_of_oom(const Event& event);

struct Fold::State {
  static constexpr int64_t kSecondUs = 1'000'000;
  static constexpr int64_t kFirstSeenUs = 60 * kSecondUs;    ///< a fleet's agents come up within this
  static constexpr int64_t kAnnounceUs = 3 * kSecondUs;      ///< CONTRACTS §3
  static constexpr int64_t kMaxAgeUs = 3600 * kSecondUs;     ///< older samples are refused
  static constexpr int64_t kSkewUs = 2 * kSecondUs;
  static constexpr int64_t kHeardUs = 5 * kSecondUs;
  static constexpr int64_t kSilentShownUs = 5 * kSecondUs;
  static constexpr int64_t kSilentUs = 15 * kSecondUs;
  static constexpr int64_t kBusGapUs = 3 * kSecondUs;        ///< the clock ticks once a second
  static constexpr int64_t kCondemnedUs = 30LL * 86400 * kSecondUs;
  static constexpr int64_t kReissueUs = 300 * kSecondUs;     ///< CONTRACTS §7
  static constexpr int64_t kUnansweredUs = 30 * kSecondUs;   ///< no step heard at all: ask again
  static constexpr int64_t kUnverifiedUs = 120 * kSecondUs;  ///< back on the target, and no word of it: its word was lost
  static constexpr int64_t kAttentionUs = 3 * 3600 * kSecondUs;  ///< the longest sensible watch; then 10 s will do
  static constexpr int64_t kCommandLifeUs = 600 * kSecondUs;
  static constexpr size_t kMaxTracks = 50'000;               ///< (host, service) pairs
  static constexpr size_t kMaxDeploys = 500;                 ///< the oldest ended ones are forgotten

  explicit State(PolicySet initial) : policies(std::move(initial)) {}

  // ---- what it knows
  PolicySet policies;
  double inflation = judge::kInflation;
  int64_t now_us = 0;
  uint64_t last_sequence = 0;
  int64_t gap_from_us = 0, gap_to_us = 0;  ///< the last time the stream stood still
  std::map<std::string, HostBook, std::less<>> books;
  std::map<std::string, Service, std::less<>> services;
  std::vector<std::unique_ptr<Deploy>> deploys;  ///< oldest first
  std::map<std::string, Decision> facts;         ///< SERIN_AUDIT by effect id
  std::multimap<int64_t, Decision> facts_to_come;  ///< by time: those that the stream has not reached
  std::map<std::string, std::vector<Decision>> fact_verdicts;  ///< by deploy: what was decided
  std::map<std::string, std::vector<int64_t>> automatic_rollbacks;  ///< "service|host" -> times
  std::deque<Drill> drills;                      ///< oldest first
  /// Of a command that was not answered yet. Asked for again until somebody answers.
  struct Cancel {
    CommandOrder order;
    int ordinal = 0;
    int64_t next_issue_us = 0, until_us = 0;
  };
  std::vector<Cancel> cancels;
  int64_t last_command_check_us = 0;
  Counters counters;
  FactTexts fact_texts;
  std::vector<Effect> effects;                   ///< of the step in hand

  // ---- intake.cpp
  void take(const Sample& sample, int64_t stored_us);
  void take(const Event& event, int64_t stored_us);
  void take(const Control& control);
  void take_act(const Control& control);
  void declare(const Control& control);
  Track* track_of(const std::string& host, const std::string& service);
  bool admit(const Identity& from, const std::string& service, int64_t age_us, int64_t wall_us,
             int64_t stored_us, Track*& track, int64_t& end_us);
  void use(Service& service, Track& track, const Sample& sample, int64_t end_us);
  void count_harm(const Service& service, const Track& track, uint64_t errors);
  void release_waiting(Service& service, Track& track);
  void started(Service& service, Track& track, const Event& event, int64_t at_us);
  void died(Service& service, Track& track, const Event& event, int64_t at_us);
  void take_facts(Service& service, Track& track, const Event& event, int64_t at_us);

  /// Some deploy of this service has not ended.
  [[nodiscard]] bool any_open(std::string_view service) const;

  // ---- warmup.cpp
  void follow_restart(Service& service, const Track& track, int64_t same_since_us);
  void learn_warmups(Service& service);
  void take_warmup(Service& service, const std::string& json);

  // ---- watch.cpp
  Deploy* open_deploy(std::string_view service, std::string_view version);
  Deploy* deploy_by_id(std::string_view id);
  Deploy& open(Service& service, Track& first, const Event& event, int64_t at_us);
  void join(Service& service, Deploy& deploy, Track& track, const std::string& from, int64_t at_us);
  void leave(Service& service, Deploy& deploy, Track& track, const std::string& to);
  void settle(Service& service, const std::string& version, const std::string& why);
  void choose_baseline(Service& service, Deploy& deploy);
  void window(Service& service, Deploy& deploy);
  void conclude(Service& service, Deploy& deploy, DecisionKind kind, DeployState state, Reason reason);
  void end(Deploy& deploy, DeployState state);
  bool contradicts_audit(const Deploy& deploy, DecisionKind kind) const;
  void apply_fact(Service& service, Deploy& deploy);
  void forget_old_deploys();

  // ---- past.cpp
  void make_battery(Service& service, Deploy& deploy);

  // ---- soak.cpp
  void begin_soak(Service& service, Deploy& deploy);
  void soak(Service& service);
  void soak_block(Service& service, Soak& soak, int64_t index);

  // ---- evidence.cpp
  void close_seconds(Service& service);
  bool awaited(const Track& track, int64_t second) const;
  bool may_close(Service& service, int64_t second) const;
  void judge_second(Service& service, Deploy& deploy, int64_t second);
  void gather(Service& service, Deploy& deploy, int64_t second);
  void feed(Service& service, Deploy& deploy, int64_t second);
  void settle_cadence(Service& service, Deploy& deploy, int64_t second);
  void watch_fleet(Deploy& deploy, int64_t second);
  /// Is the host a canary of an open deploy, other than `but`?
  bool in_deploy(const Service& service, uint32_t host, const Deploy* but = nullptr) const;

  // ---- placebo.cpp
  void run_placebos(Service& service);
  void close_block(Service& service, int64_t block);
  void begin_round(Service& service, int64_t block);
  void step_round(Service& service, Placebos::Round& round, int64_t block);
  std::string placebo_version(const Service& service, int64_t block) const;
  bool untouched(const Service& service, const Track& track, const std::string& version,
                 int64_t block) const;
  void apply_trust(Service& service, const judge::TrustChange& change);
  void record_trust(Service& service, const judge::TrustChange& change);
  void tell_advisory(const Service& service, Deploy& deploy, const judge::Finding& finding);

  // ---- drift_watch.cpp
  void watch_drift(Service& service, Deploy& deploy);
  std::vector<const Track*> compared_with(const Service& service, const Deploy& deploy) const;
  void leave_evidence(Service& service, Deploy& deploy, Canary& canary, const DriftView& why);
  void drift_window(Service& service, Deploy& deploy);

  // ---- guard.cpp
  void guard_events(Service& service, Track& track, const Event& event);
  void guard_memory(Service& service, Deploy& deploy, const Track& track, const Event& event);
  void guard_time(Service& service);
  void guard_limits(Service& service, Deploy& deploy, int64_t second);
  void guardrail(Service& service, Deploy& deploy, const std::string& name, const std::string& host,
                 std::string text);

  // ---- rollback.cpp
  void decide_rollback(Service& service, Deploy& deploy, Reason reason, const std::string& actor);
  void begin_rollback(Service& service, Deploy& deploy);
  void freeze(Service& service, Deploy& deploy, const std::string& why);
  void put_back_one(Service& service, Deploy& deploy, const std::string& host);
  void try_again(Service& service, Deploy& deploy);
  void plan_commands(Service& service, Deploy& deploy);
  std::string target_for(const Service& service, const Deploy& deploy, const Canary& canary) const;
  void command(Service& service, Deploy& deploy, Canary& canary);
  CommandOrder order_for(const Service& service, const Deploy& deploy, const Canary& canary) const;
  void step_reported(Service& service, Track& track, const Event& event, int64_t at_us);
  void after_steps(Service& service, Deploy& deploy);
  void verify_recovery(Service& service, Deploy& deploy, int64_t second);
  bool flag_did_not_help(Service& service, Deploy& deploy);
  bool too_often(const std::string& service, const std::string& host, int limit) const;

  void condemn(Service& service, Deploy& deploy, Reason reason, const std::string& actor);
  void act_on_verdict(Service& service, Deploy& deploy);

  // ---- drill.cpp
  void ask_drill(const Control& control);
  std::string drill_target(const Service& service, const Track& track) const;
  std::string drill_refusal(const Service& service, const Track& track, const std::string& target) const;
  CommandOrder order_for(const Drill& drill) const;
  void command_drill(Drill& drill);
  void drill_step(const Track& track, const Event& event, int64_t at_us);
  void watch_drills();
  void end_drill(Drill& drill, DrillState state, const std::string& text);
  void forget_old_drills();
  void remember_drill(const Decision& fact);
  /// The host is rehearsing: neither baseline nor canary, and no guardrail's business.
  bool drilling(std::string_view service, std::string_view host) const;

  // ---- cancel.cpp
  void take_back(const CommandOrder& unwanted, int ordinal);
  void take_back(const Service& service, Deploy& deploy, const std::string& why);
  void watch_cancels();
  void cancel_answered(const Track& track, const Event& event);
  void command_again(Deploy& deploy);
  /// The host's last command has not been answered to its end.
  bool subject_busy(std::string_view service, std::string_view host) const;

  // ---- confirm.cpp
  bool held_healthy(const Service& service, const Track& track) const;
  void confirm_versions(Service& service);
  CommandOrder confirm_for(const Service& service, const Track& track) const;

  // ---- returned.cpp
  void leave_by_itself(Service& service, Deploy& deploy, Track& track, const std::string& to, int64_t at_us);
  void tell_dead_man(const Service& service, const Track& track, const std::string& from, int64_t at_us);
  void check_agreement(const Service& service, Deploy& deploy);

  // ---- fold.cpp
  void watch_commands();
  void advance(int64_t stored_us);
  void remember(const Decision& fact);
  void every_service();
  void emit(Decision decision);
  void tell(std::string kind, const Deploy& deploy, std::string text, const std::string& about = {});
  Decision decision_of(const Deploy& deploy, DecisionKind kind, const std::string& host = {}) const;
};

/// A finding as people see it, words and all.
MetricView view_of(const judge::Finding& finding, const Deploy& deploy, const Service& service);
/// Its numbers as the reason of a verdict, without words.
Reason reason_of(const MetricView& metric);
/// Its key in Deploy::series.
std::string series_key(const MetricView& metric);

/// "latency_p99 is advisory: it fired on 3 of 20 untouched hosts in the last hour"; empty for a
/// metric that may decide.
std::string words_advisory(const Service& service, const std::string& metric);
/// The same for a deploy's own metric, which stays advisory to its end.
std::string words_not_deciding(const Service& service, const std::string& metric);

/// How many hosts of a fleet may run a deploy at a stage of the policy ("1 host", "5%"); at least one.
size_t stage_hosts(const Policy& policy, size_t stage, size_t fleet);

}  // namespace serin::core
