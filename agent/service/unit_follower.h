#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/service/exit_watch.h"
#include "agent/service/unit_manager.h"

namespace serin::agent {

/// A process that is, or was, what a unit runs.
struct UnitProcess {
  std::string generation;  ///< unit:InvocationID; with :pid where a later main process took over
  int32_t pid = 0;
  int64_t start_wall_us = 0;  ///< 0: not known
  std::string cgroup;         ///< as the manager names it; empty: none, or unknown
  bool gone = false;          ///< it came and went between two words
  friend bool operator==(const UnitProcess&, const UnitProcess&) = default;
};

/// How it ended.
struct UnitEnd {
  std::string generation;
  ExitStatus status;
  std::optional<bool> asked;  ///< stopped or restarted on purpose; absent: the manager did not say
  bool replaced = false;      ///< another process carries on
  std::string reason;  ///< the manager's result, where it is no success: `oom-kill`, `exit-code` …
};

/// Turns what the manager says of one unit, and what the kernel says of its main process, into
/// starts, ends and failures: each told once, an end always before the next start. Pure: no I/O but
/// what `processes_of` does, no clock.
///
/// Whether an end was asked for: the unit was seen leaving its active state while its main process
/// lived, or its times say so, or the next start is no automatic restart. A unit that was unloaded
/// ended well, as systemd keeps failed ones.
class UnitFollower {
 public:
  struct Handlers {
    std::function<void(const UnitProcess&)> began;
    std::function<void(const UnitEnd&)> ended;
    /// Another process of the same generation is its main one now (the manager names none, and the
    /// one taken for it ended).
    std::function<void(const UnitProcess&)> carried_on;
    /// The unit is down and will not be started again by its manager.
    std::function<void(const std::string& reason)> failed;
    /// The first word: nothing runs. `asked`: somebody wants it so.
    std::function<void(bool asked)> rests;
  };
  /// Living processes of a cgroup, oldest first.
  using ProcessesOf = std::function<std::vector<int32_t>(const std::string& cgroup)>;

  UnitFollower(Handlers handlers, ProcessesOf processes_of)
      : handlers_(std::move(handlers)), processes_of_(std::move(processes_of)) {}

  void take(const UnitWord& word);
  /// The kernel says that the present process ended. The manager's word, which knows more, should
  /// follow; where it does not, call give_up().
  void process_ended(const ExitStatus& status);
  /// Tells the end with what the kernel said alone. Nothing when no word is awaited.
  void give_up();
  [[nodiscard]] bool awaits_word() const { return current_ && !current_->alive; }
  [[nodiscard]] const UnitProcess* running() const {
    return current_ ? &current_->process : nullptr;
  }

 private:
  struct Current {
    UnitProcess process;
    std::string invocation;
    uint32_t restarts = 0;
    bool named = false;  ///< by the manager; else it is the oldest of the cgroup
    bool alive = true, asked = false;
    ExitStatus status;  ///< the kernel's
  };
  void note_asked(const UnitWord& word);
  void follow_current(const UnitWord& word);
  void follow_main(const UnitWord& word);
  void carry_on_or_end(const UnitWord& word);
  void end(UnitEnd end);
  void look_for_start(const UnitWord& word);
  void begin(const UnitWord& word, int32_t pid, bool named);
  void tell_one_that_is_gone(const UnitWord& word);
  void look_for_failure(const UnitWord& word);
  [[nodiscard]] std::string generation_of(const UnitWord& word, int32_t pid) const;

  Handlers handlers_;
  ProcessesOf processes_of_;
  std::optional<Current> current_;
  std::string last_invocation_;  ///< the last one that began here
  int32_t last_pid_ = 0;
  uint64_t last_main_start_us_ = 0;
  bool last_asked_ = false;
  bool first_word_ = true;
  uint64_t failed_at_us_ = 0;  ///< state change of the failure told last
};

}  // namespace serin::agent
