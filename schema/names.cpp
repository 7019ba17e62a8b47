#include <array>

#include "schema/messages.h"

// One table per enum, in the order of its values. The tests hold these against the names in the
// .fbs files.

namespace serin {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 5> kPhases = {"serving", "starting", "not_serving", "down",
                                                     "unattributed"};
constexpr std::array<std::string_view, 9> kEvents = {
    "version_started", "process_started", "process_died", "unit_failed", "rollback_step",
    "drill_step",      "facts",           "final",        "silent"};
constexpr std::array<std::string_view, 4> kCauses = {"external", "rollback", "drill", "dead_man"};
constexpr std::array<std::string_view, 5> kControls = {"clock", "policy", "act", "declare",
                                                       "warmup"};
constexpr std::array<std::string_view, 6> kActs = {"rollback", "pass",    "hold",
                                                   "release",  "absolve", "drill"};
constexpr std::array<std::string_view, 4> kCommands = {"rollback", "drill", "cancel", "confirm"};
constexpr std::array<std::string_view, 26> kDecisions = {
    "opened",        "rollback",        "pass",     "inconclusive", "rolled_back", "recovered",
    "not_the_cause", "rollback_failed", "frozen",   "withdrawn",    "superseded",  "held",
    "released",      "settled",         "absolved", "incident",     "returned",
    "warmup",        "trust",           "drill",    "drilled",      "drill_failed", "drill_refused",
    "dead_man",      "disagreement",    "declared"};
constexpr std::array<std::string_view, 4> kReasons = {"none", "evidence", "guardrail", "act"};
constexpr std::array<std::string_view, 4> kVerbs = {"status", "inspect", "execute", "dead_man"};
constexpr std::array<std::string_view, 6> kAnswers = {"ok",          "accepted", "done",
                                                      "in_progress", "refused",  "failed"};
constexpr std::array<std::string_view, 17> kRefusals = {
    "none",         "bad_request", "unsupported", "key",       "signature", "host",
    "service",      "expired",     "not_running", "ambiguous", "target",    "held",
    "irreversible", "action",      "busy",        "not_owned", "peer"};

constexpr std::array<std::string_view, 3> kTasks = {"rollback", "drill", "dead_man"};
constexpr std::array<std::string_view, 3> kReadies = {"unknown", "yes", "no"};

/// A value outside the enum can only come from a cast of our own that went wrong.
template <typename E>
std::string_view name_of(Names names, E value) {
  const auto index = static_cast<size_t>(value);
  SERIN_VERIFY(index < names.size());
  return names[index];
}

template <typename E>
std::optional<E> value_of(Names names, std::string_view text) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(Phase value) {
  return name_of(kPhases, value);
}
std::string_view name(EventKind value) {
  return name_of(kEvents, value);
}
std::string_view name(Cause value) {
  return name_of(kCauses, value);
}
std::string_view name(ControlKind value) {
  return name_of(kControls, value);
}
std::string_view name(Act value) {
  return name_of(kActs, value);
}
std::string_view name(CommandKind value) {
  return name_of(kCommands, value);
}
std::string_view name(DecisionKind value) {
  return name_of(kDecisions, value);
}
std::string_view name(ReasonKind value) {
  return name_of(kReasons, value);
}
std::string_view name(HelperVerb value) {
  return name_of(kVerbs, value);
}
std::string_view name(HelperAnswer value) {
  return name_of(kAnswers, value);
}
std::string_view name(Refusal value) {
  return name_of(kRefusals, value);
}
std::string_view name(HelperTask value) {
  return name_of(kTasks, value);
}
std::string_view name(Ready value) {
  return name_of(kReadies, value);
}

std::optional<Phase> phase_from(std::string_view text) {
  return value_of<Phase>(kPhases, text);
}
std::optional<EventKind> event_kind_from(std::string_view text) {
  return value_of<EventKind>(kEvents, text);
}
std::optional<Cause> cause_from(std::string_view text) {
  return value_of<Cause>(kCauses, text);
}
std::optional<ControlKind> control_kind_from(std::string_view text) {
  return value_of<ControlKind>(kControls, text);
}
std::optional<Act> act_from(std::string_view text) {
  return value_of<Act>(kActs, text);
}

}  // namespace serin
