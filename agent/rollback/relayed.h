#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/loop.h"
#include "schema/messages.h"

namespace serin::agent {

/// A command that waits for the helper to take it.
struct Delivery {
  Bytes envelope;
  Command command;
};

/// What is relayed for one service. `status` is asked while nothing is known or an action is at
/// work; `execute` while a command waits. One call at a time.
struct Relayed {
  /// A helper that was killed is back within milliseconds under systemd.
  static constexpr uint64_t kFirstRetryMs = 200;

  std::string name;
  std::optional<Delivery> delivery;
  bool asking_status = true;
  bool in_progress = false;
  HelperTask task = HelperTask::rollback;  ///< what is in progress
  std::string condemned, target;
  bool call_open = false;
  std::optional<UvTimer> timer;
  uint64_t retry_ms = kFirstRetryMs;
  std::optional<uint64_t> unanswered_since_ms;
  bool told_unreachable = false;
  std::map<std::string, std::set<std::string>> reported;  ///< by command
  std::string last_refusal, last_hint;
  uint64_t looked_ms = 0;

  /// A word about a version (confirm, cancel) changes nothing on the host.
  [[nodiscard]] bool delivers_action() const;
  void take_progress(const HelperReply& reply);
  /// Why a start of `version` is what the action at work, or about to begin, leads to.
  [[nodiscard]] std::optional<Cause> cause_of(const std::string& version) const;
};

HelperTask task_of(const Command& command);

/// One step of what the helper does, as it travels.
Event step_event(const std::string& service, HelperTask task, const std::string& command,
                 const std::string& deploy, const std::string& target, const HelperStep& step);

}  // namespace serin::agent
