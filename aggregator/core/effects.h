#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "schema/messages.h"

// What goes into the fold and what comes out of it.

namespace serin::core {

/// One message of SERIN_INPUT. `stored_us` is the server's timestamp, `seq` its stream sequence.
struct Input {
  uint64_t seq = 0;
  int64_t stored_us = 0;
  std::variant<Sample, Event, Control> body;
};

/// A command for one host; the shell signs and publishes it. Its id makes a repeat harmless.
struct CommandOrder {
  std::string effect_id;
  Command command;
};

/// Something people want to know. `kind` is what `[[notify]] on = […]` names: rollback, rollback_failed, rolled_back,
/// recovered, not_the_cause, passed, inconclusive, fleet_incident, frozen, condemned_returned, host_conflict, opened,
/// advisory, drift, held, drilled, drill_failed, dead_man, disagreement.
struct Notification {
  std::string effect_id;
  std::string kind;
  std::string deploy, service, version, previous;
  std::vector<std::string> hosts;
  int64_t at_us = 0;
  Reason reason;
  std::string text;  ///< one line, as it should read in a chat
};

/// Sampling cadence for all agents of a service.
struct AttentionOrder {
  std::string service;
  uint32_t interval_ms = 1000;
  uint32_t lasting_seconds = 600;
};

/// In the order in which they must take effect: a Decision is stored in SERIN_AUDIT before what follows it leaves.
using Effect = std::variant<Decision, CommandOrder, Notification, AttentionOrder>;

}  // namespace serin::core
