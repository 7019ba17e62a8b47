#pragma once

#include <map>
#include <span>
#include <string>

#include "agent/rollback/clock.h"
#include "agent/rollback/conditions.h"
#include "agent/rollback/gate.h"
#include "agent/rollback/journal.h"
#include "agent/rollback/launcher.h"
#include "agent/rollback/observer.h"
#include "agent/rollback/settings.h"
#include "common/service_file.h"
#include "schema/messages.h"

namespace serin::helper {

/// The root helper behind its socket: answers one packet after the other, never waits for an
/// action. One thread.
class Helper {
 public:
  Helper(const Settings& settings, const Clock& clock, ActionLauncher& launcher,
         StepObserver& observer);

  /// Makes the state folders and continues what an earlier run left unfinished.
  Result<void> start();
  /// What is said to a peer that may not speak; nothing of what it sent is looked at.
  static HelperReply refuse_peer();
  /// `packet_bytes` is what the peer sent, which may be more than was received.
  HelperReply answer(std::span<const uint8_t> packet, size_t packet_bytes);

 private:
  HelperReply status(const std::string& service);
  HelperReply inspect_service(const std::string& service);
  HelperReply execute(const OpenedRequest& request);
  HelperReply obey(const Command& command, const Bytes& envelope);
  HelperReply take_in(const Command& command, const ServiceFile& service, const Bytes& envelope);
  HelperReply begin(const Command& command, HelperTask task);
  Judged<void> make_room(const std::optional<Record>& pending);
  void note_condemned(const Command& command);
  HelperReply confirm(const Command& command);
  HelperReply cancel(const Command& command, const Bytes& envelope);
  static HelperReply drop(Journal& journal, std::string_view why);
  HelperReply dead_man(const std::string& service);
  void launch(const std::string& service);
  void continue_abandoned(const std::string& service);

  const Settings& settings_;
  const Clock& clock_;
  ActionLauncher& launcher_;
  StepObserver& observer_;
  JournalFolder journals_;
  std::map<std::string, int64_t> launched_us_;  ///< by service with a pending command: few
};

}  // namespace serin::helper
