#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/ids.h"

// Every subject and stream name of Serin, in one place. Versions never stand in a subject; hosts
// stand as tokens.

namespace serin::bus {

inline constexpr const char* kInputStream = "SERIN_INPUT";
inline constexpr const char* kCommandStream = "SERIN_COMMANDS";
inline constexpr const char* kAttentionStream = "SERIN_ATTENTION";
inline constexpr const char* kAuditStream = "SERIN_AUDIT";

inline constexpr const char* kAll =
    "serin.>";  ///< filter of a consumer; cnats refuses an empty one
inline constexpr const char* kSamples = "serin.sample.>";
inline constexpr const char* kEvents = "serin.event.>";
inline constexpr const char* kControls = "serin.control.>";
inline constexpr const char* kCommands = "serin.command.>";
inline constexpr const char* kAttention = "serin.attention.>";
inline constexpr const char* kAttentionOfAll = "serin.attention.*";
inline constexpr const char* kAudit = "serin.audit.>";

inline constexpr const char* kClockSubject = "serin.control._clock";
inline constexpr const char* kPolicySubject = "serin.control._policy";
inline constexpr const char* kWarmups = "serin.control._warmup.*";

std::string sample_subject(std::string_view service, std::string_view host);
std::string event_subject(std::string_view service, std::string_view host);
std::string control_subject(std::string_view service);
/// What a service's restarts have taught: apart from acts, so that its last message can be asked for.
std::string warmup_subject(std::string_view service);
std::string command_subject(std::string_view host, std::string_view service);
std::string commands_of_host(std::string_view host);  ///< serin.command.<host>.*
std::string attention_subject(std::string_view service);
/// What belongs to no service (fleet-wide) stands under `_fleet`.
std::string audit_subject(std::string_view service);

/// `$JS.API.DIRECT.GET.<stream>.<subject>`: the last message of a subject, without a consumer.
std::string direct_get_subject(std::string_view stream, std::string_view subject);
/// `_INBOX_<host token>`: where an agent may listen for answers.
std::string agent_inbox_prefix(std::string_view host);

enum class InputKind { sample, event, control };

/// A subject of SERIN_INPUT, taken apart. `host` is decoded, and empty for a control.
struct InputSubject {
  InputKind kind = InputKind::sample;
  std::string service, host;
};
Result<InputSubject> parse_input_subject(std::string_view subject);

/// The token after the last dot.
std::string_view last_token(std::string_view subject);

}  // namespace serin::bus
