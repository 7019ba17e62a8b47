#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/exp_histogram.h"
#include "common/ids.h"

// What travels, as plain values. wire.h turns them into verified FlatBuffers and back, capture.h into NDJSON.
// Times end in _us (microseconds). Absent is not zero: what could not be read is std::nullopt.

namespace serin {

struct NamedValue {
  std::string name;
  double value = 0;
  friend bool operator==(const NamedValue&, const NamedValue&) = default;
};

/// Who speaks: an incarnation of an agent and the message's place in it.
struct Identity {
  std::string host;
  std::string boot_id;
  uint64_t agent_start_us = 0;  ///< CLOCK_BOOTTIME at the agent's start
  uint64_t sequence = 0;        ///< from 1 per (incarnation, service), samples and events together
  friend bool operator==(const Identity&, const Identity&) = default;
};

/// What the service was doing in the interval.
enum class Phase : uint8_t {
  serving,
  starting,      ///< from the old generation's end to the new one's first answered request, at most 30 s
  not_serving,   ///< started, but no request answered for 30 s although requests fail
  down,          ///< no process
  unattributed,  ///< one log, two live generations, no field that tells them apart
};

struct ProcessMetrics {
  std::optional<double> cpu_seconds;  ///< in the interval
  std::optional<uint64_t> rss_bytes, threads, fds, fd_limit;  ///< at its end
  std::optional<uint64_t> voluntary_switches, involuntary_switches, minor_faults, major_faults, read_bytes,
      written_bytes;  ///< in the interval
  std::optional<uint64_t> memory_bytes;  ///< at its end: of the unit, with its page cache
  std::optional<uint64_t> processes;     ///< at its end
  std::optional<double> run_delay_seconds;  ///< in the interval: threads ready to run, without a CPU
  std::optional<double> throttled_seconds;  ///< in the interval: stopped by the unit's CPU quota
  /// In the interval: at least one thread waited for a CPU, for memory, for a disk.
  std::optional<double> cpu_pressure_seconds, memory_pressure_seconds, io_pressure_seconds;
  std::optional<uint64_t> oom_kills;  ///< in the interval
  friend bool operator==(const ProcessMetrics&, const ProcessMetrics&) = default;
};

/// TCP connections that the service has opened to one port, whichever host it is on.
struct RemotePort {
  uint16_t port = 0;
  uint64_t connections = 0, connecting = 0;              ///< established, SYN sent; at the end
  std::optional<double> rtt_seconds;                     ///< median of the smoothed ones
  std::optional<uint64_t> retransmits, failed_connects;  ///< in the interval
  friend bool operator==(const RemotePort&, const RemotePort&) = default;
};

/// TCP sockets of the service. Levels are those of the last look, which is at most 10 s old where a
/// host has so many sockets that looking each second would cost too much.
struct SocketMetrics {
  std::optional<uint64_t> inbound, outbound;  ///< established: accepted, opened by the service
  std::optional<uint64_t> connecting;         ///< opened by the service, SYN sent
  std::optional<uint64_t> close_wait;         ///< the peer has closed, the service has not
  std::optional<uint64_t> accept_queue, accept_limit;  ///< of all listeners together
  std::optional<uint64_t> unsent_bytes;  ///< handed to the kernel, not acknowledged by the peer
  std::optional<double> rtt_seconds;     ///< median of the outbound ones' smoothed round trips
  std::optional<uint64_t> retransmits;       ///< in the interval: segments sent again
  std::optional<uint64_t> accept_overflows;  ///< in the interval: dropped, the queue was full
  std::optional<uint64_t> failed_connects;   ///< in the interval: SYN sent, never established
  std::vector<RemotePort> remotes;           ///< by port; those with the most connections
  friend bool operator==(const SocketMetrics&, const SocketMetrics&) = default;
};

/// A part of the requests that behaves differently from others: a route, a tenant.
struct RequestClass {
  std::string name;
  uint64_t requests = 0, errors = 0;
  ExpHistogram latency;
  friend bool operator==(const RequestClass&, const RequestClass&) = default;
};

/// Requests finished in the interval. requests = all; the classes below are parts of it.
struct RequestMetrics {
  uint64_t requests = 0;
  uint64_t errors = 0;   ///< status >= 500 or none
  uint64_t aborted = 0;  ///< 499
  uint64_t limited = 0;  ///< 429
  uint64_t client = 0;   ///< other 4xx
  uint64_t slow_slo = 0;  ///< slower than the service's own fixed edge, where it has one
  ExpHistogram latency;
  std::vector<RequestClass> classes;  ///< parts of the whole, by name; empty: not told apart
  friend bool operator==(const RequestMetrics&, const RequestMetrics&) = default;
};

/// What could not be read, and why.
struct Absent {
  std::string metric;
  std::string reason;
  friend bool operator==(const Absent&, const Absent&) = default;
};

/// The agent on itself; cumulative since its start. In samples of service "_host".
struct AgentSelf {
  std::string version;
  double cpu_seconds = 0;
  uint64_t rss_bytes = 0;
  uint64_t ring_dropped = 0;     ///< messages that left the ring unsent
  uint64_t reconnects = 0;
  uint64_t publish_failures = 0;
  uint64_t lines_skipped = 0;    ///< log lines that did not parse, or were too long
  uint64_t late_ticks = 0;       ///< ticks more than 0.5 s late
  uint64_t worst_late_us = 0;    ///< the latest tick since the heartbeat before; not cumulative
  uint64_t messages_sent = 0;    ///< acknowledged by the bus
  friend bool operator==(const AgentSelf&, const AgentSelf&) = default;
};

/// What one agent saw of one (service, generation) in one interval. Service "_host": the host's own heartbeat.
struct Sample {
  Identity from;
  std::string service;
  std::string version;     ///< empty while unknown
  std::string selected;    ///< what the next start would take; empty when unknown
  std::string generation;  ///< empty when nothing runs
  Phase phase = Phase::serving;
  uint32_t interval_us = 1'000'000;
  int64_t age_us = 0;   ///< from the interval's end to the hand-over to the bus, on CLOCK_BOOTTIME
  int64_t wall_us = 0;  ///< the host's own wall clock at the interval's end
  std::optional<uint64_t> process_age_us;  ///< at the interval's start
  bool history = false;    ///< shown, never summed
  bool ambiguous = false;  ///< the version is not certain: not judged, not rolled back
  ProcessMetrics process;
  std::optional<RequestMetrics> requests;
  std::vector<NamedValue> counters;  ///< amounts of the interval (business and others)
  std::vector<NamedValue> gauges;    ///< values at its end
  std::vector<Absent> absent;
  std::optional<AgentSelf> self;
  SocketMetrics sockets;
  friend bool operator==(const Sample&, const Sample&) = default;
};

enum class EventKind : uint8_t {
  version_started,
  process_started,  ///< the same version and artefact again
  process_died,
  unit_failed,
  rollback_step,
  drill_step,
  facts,
  final_,           ///< farewell: agent stopped or host shut down
  silent,           ///< capture files only
};

enum class Cause : uint8_t { external, rollback, drill, dead_man };

struct Event {
  Identity from;
  std::string service;
  EventKind kind = EventKind::version_started;
  int64_t age_us = 0;
  int64_t wall_us = 0;
  std::string version;
  std::string previous;    ///< last other version that ran here
  std::string selected;
  std::string generation;
  Cause cause = Cause::external;
  std::string artefact;    ///< build-id, else device:inode:ctime
  bool same_name = false;  ///< same version name, other artefact
  bool ambiguous = false;
  bool expected = false;   ///< process_died: the end was asked for (a restart by the helper, a stop)
  std::optional<int32_t> exit_code, signal;  ///< absent where the kernel does not tell
  std::string step;        ///< rollback_step, drill_step: as in HelperStep; further `refused`
  std::string reason;      ///< why a step failed or was refused; free text elsewhere
  std::string command;     ///< command id, hex
  std::string deploy;
  std::vector<std::pair<std::string, std::string>> facts;
  friend bool operator==(const Event&, const Event&) = default;
};

enum class ControlKind : uint8_t {
  clock,
  policy,
  act,
  declare,
  warmup,  ///< what the service's restarts have taught so far, for whoever reads the stream later
};
enum class Act : uint8_t { rollback, pass, hold, release, absolve, drill };

/// What enters the fold from the aggregator itself.
struct Control {
  ControlKind kind = ControlKind::clock;
  std::string id;           ///< idempotency key
  std::string service;      ///< empty for clock and policy
  std::string policy_json;  ///< policy: the whole effective policy (policy.h)
  Act act = Act::rollback;
  std::string deploy;
  std::string host;         ///< rollback of one host; empty: all of the deploy's. drill: where
  std::string actor;
  std::string reason;
  std::string version;      ///< declare
  bool irreversible = false;
  std::string warmup_json;  ///< warmup: the whole profile (aggregator/core/warmup_json.h)
  friend bool operator==(const Control&, const Control&) = default;
};

enum class CommandKind : uint8_t { rollback, drill, cancel, confirm };

struct Command {
  std::string id;  ///< hex, 32 characters
  uint32_t revision = 1;
  std::string deploy, host, service;
  CommandKind kind = CommandKind::rollback;
  std::string condemned, target;
  int64_t issued_us = 0;     ///< canonical time
  int64_t not_after_us = 0;  ///< in the host's own wall clock
  std::string supersedes;    ///< id of the unfinished command it replaces
  bool force = false;
  friend bool operator==(const Command&, const Command&) = default;
};

/// The envelope: payload is a finished Command buffer, kept byte for byte.
struct SignedCommand {
  std::string key_id;
  Bytes payload;
  Bytes signature;
  friend bool operator==(const SignedCommand&, const SignedCommand&) = default;
};

enum class DecisionKind : uint8_t {
  opened,        ///< a deploy was detected
  rollback,      ///< verdict
  pass,          ///< verdict
  inconclusive,  ///< verdict
  rolled_back,   ///< every host reported verified
  recovered,
  not_the_cause,
  rollback_failed,
  frozen,
  withdrawn,
  superseded,
  held,
  released,
  settled,       ///< the version counts as known good
  absolved,
  incident,      ///< fleet-wide trouble, not blamed on the deploy
  returned,      ///< a condemned version came back
  warmup,        ///< a restart of a settled version was learnt from
  trust,         ///< of a metric: what untouched hosts have shown of it
  drill,         ///< a person asked for a rehearsal; deploy is the drill's id
  drilled,       ///< there and back again
  drill_failed,
  drill_refused,
  dead_man,      ///< a host went back by itself, cut off from everybody
  disagreement,  ///< hosts that were put back to one version do not run the same artefact of it
  declared,      ///< a person said whether the version can be undone
};

enum class ReasonKind : uint8_t { none, evidence, guardrail, act };

/// Why: the same numbers in audit, API, CLI, alert and replay.
struct Reason {
  ReasonKind kind = ReasonKind::none;
  std::string metric;  ///< metric or guardrail name (`errors`, `crash_loop` …)
  std::optional<double> canary, baseline;      ///< rates or levels
  std::optional<double> effect;                ///< ratio
  std::optional<double> log_evidence, threshold;  ///< natural logs
  std::string host;                            ///< a guardrail's host
  std::string text;                            ///< one sentence
  friend bool operator==(const Reason&, const Reason&) = default;
};

/// A fact in SERIN_AUDIT.
struct Decision {
  std::string effect_id;  ///< deploy id/kind/host/ordinal
  DecisionKind kind = DecisionKind::opened;
  std::string deploy, service, version, previous;
  uint32_t attempt = 1;
  int64_t at_us = 0;           ///< canonical time
  uint64_t input_sequence = 0;  ///< SERIN_INPUT sequence that led to it
  std::vector<std::string> hosts;
  Reason reason;
  std::string actor;           ///< empty: Serin itself
  bool incomplete = false;     ///< rests on less than the whole watch
  uint32_t stage = 0;          ///< index into the policy's stages that the watch was for
  std::string warmup_json;     ///< warmup: the whole profile, this restart included
  double widening = 1;         ///< trust: factor on the spread of reason.metric between hosts
  bool advisory = false;       ///< trust: what it finds rolls nothing back
  bool irreversible = false;   ///< declared: its migration cannot be undone
  friend bool operator==(const Decision&, const Decision&) = default;
};

// ---- the helper's socket (SRQ1 / SRP1)

enum class HelperVerb : uint8_t { status, inspect, execute, dead_man };
enum class HelperAnswer : uint8_t { ok, accepted, done, in_progress, refused, failed };
enum class Refusal : uint8_t {
  none, bad_request, unsupported, key, signature, host, service, expired, not_running, ambiguous, target, held,
  irreversible, action, busy, not_owned, peer,
};

/// What a command, or the dead-man, made the helper do.
enum class HelperTask : uint8_t { rollback, drill, dead_man };
/// Whether a rollback would work right now, as far as looking tells.
enum class Ready : uint8_t { unknown, yes, no };

struct HelperRequest {
  HelperVerb verb = HelperVerb::status;
  std::string service;
  Bytes command;  ///< execute: a SignedCommand buffer
  friend bool operator==(const HelperRequest&, const HelperRequest&) = default;
};

struct HelperStep {
  /// accepted preflight switched restarted healthy verified failed cancelled; of a drill further
  /// back_switched back_restarted back_healthy back_verified drilled
  std::string name;
  std::string reason;
  int64_t wall_us = 0;
  friend bool operator==(const HelperStep&, const HelperStep&) = default;
};

struct MappedLibrary {
  std::string name;  ///< without its folder
  std::string id;    ///< first 16 digits of its build-id; else what tells it apart, or why it cannot
  friend bool operator==(const MappedLibrary&, const MappedLibrary&) = default;
};

/// What the running process has mapped from outside of its release.
struct MappedLibraries {
  bool known = false;   ///< false from helpers that do not tell, and where it could not be read
  std::string problem;  ///< why it could not be read
  std::vector<MappedLibrary> list;
  uint32_t left_out = 0;  ///< more than limits::kLibraries
  friend bool operator==(const MappedLibraries&, const MappedLibraries&) = default;
};

struct HelperReply {
  HelperAnswer answer = HelperAnswer::ok;
  Refusal refusal = Refusal::none;
  std::string text;
  std::string command;  ///< status: the latest command of the service, hex; empty when none
  std::string deploy, condemned, target;  ///< of that command
  std::vector<HelperStep> steps;
  std::string version, artefact, selected;  ///< inspect
  HelperTask task = HelperTask::rollback;   ///< status: what `command` is; of the dead-man's the helper makes the id
  Ready ready = Ready::unknown;             ///< status; unknown also from helpers that do not tell
  std::string ready_text;                   ///< why not
  std::string ready_target;                 ///< what a rollback would go back to, as the helper would choose
  std::optional<double> rehearsed_seconds;  ///< how long the last drill took to get there
  int64_t rehearsed_wall_us = 0;            ///< when, by the host's own clock
  std::optional<double> dead_man_seconds;   ///< root's file allows the dead-man, for so long after a version's start
  std::string confirmed;                    ///< the last version that a signed command confirmed as healthy
  MappedLibraries libraries;                ///< inspect
  friend bool operator==(const HelperReply&, const HelperReply&) = default;
};

// ---- names, as they stand in captures, APIs and logs

std::string_view name(Phase);
std::string_view name(EventKind);
std::string_view name(Cause);
std::string_view name(ControlKind);
std::string_view name(Act);
std::string_view name(CommandKind);
std::string_view name(DecisionKind);
std::string_view name(ReasonKind);
std::string_view name(HelperVerb);
std::string_view name(HelperAnswer);
std::string_view name(Refusal);
std::string_view name(HelperTask);
std::string_view name(Ready);

/// The inverse for the kinds that are read from text; nullopt for an unknown name.
std::optional<Phase> phase_from(std::string_view);
std::optional<EventKind> event_kind_from(std::string_view);
std::optional<Cause> cause_from(std::string_view);
std::optional<ControlKind> control_kind_from(std::string_view);
std::optional<Act> act_from(std::string_view);

}  // namespace serin
