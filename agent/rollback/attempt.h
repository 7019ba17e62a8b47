#pragma once

#include <optional>
#include <string>

#include "agent/rollback/inspect.h"
#include "agent/rollback/journal.h"
#include "agent/rollback/package.h"
#include "common/service_file.h"
#include "schema/messages.h"

namespace serin::helper {

/// What an action knows and works with.
struct ActionContext {
  const Settings& settings;
  const Clock& clock;
  StepObserver& observer;
  Journal& journal;
  const Command& command;
  const ServiceFile& service;
  /// What stands before each of its words in the journal: "back_" on the way back of a drill.
  std::string_view way = {};

  [[nodiscard]] Result<void> note(std::string_view word, std::string_view text = {}) const {
    return journal.append(std::string(way).append(word), text);
  }
};

/// How far one action of the list got, as its journal says.
struct Progress {
  std::optional<size_t> entry;  ///< which; nullopt before the first began
  std::string before;           ///< the generation that ran when it began; "-" when none
  bool preflight = false, will_switch = false, will_run = false, switched = false,
       will_restart = false, restarted = false, healthy = false;
  std::string temporary;         ///< the link that a switch was about to make
  std::optional<Process> child;  ///< the program that was started last, when it was on this boot
  bool child_noted = false;      ///< a program was started, on this boot or an earlier one
  /// This action is past its preflight.
  [[nodiscard]] bool acted() const { return will_switch || will_run || switched; }
  std::optional<std::string> given_up;  ///< why this action did not work
};
/// `way`: see ActionContext.
Progress progress_of(const Record& record, const std::string& boot, std::string_view way = {});

/// Carries out one action of the list from wherever its journal stands: each act is announced in
/// the journal before it is taken, and after an interruption the host is looked at before anything
/// is done again.
class Attempt {
 public:
  Attempt(const ActionContext& context, size_t entry, int64_t deadline_boot_us);
  /// Fine once the target's generation runs, is healthy and is the target's artefact; says how that
  /// was seen.
  Result<std::string> perform(const std::string& earlier_failures);

 private:
  Result<void> begin();
  Result<void> preflight(const std::string& earlier_failures);
  Result<void> change();
  Result<void> switch_release();
  Result<void> run_command();
  Result<void> put_packages_back();
  Result<PackagePlan> plan_packages() const;
  Result<void> turn_flag_off();
  /// Until a start is told apart from the change before it.
  void await_distance() const;
  Result<void> restart_service();
  Result<void> await_healthy();
  struct Lifetime {
    std::string generation;
    int64_t since_boot_us = 0;
  };
  Result<void> check_now(Lifetime& lifetime, int64_t limit_boot_us) const;
  [[nodiscard]] std::string why_not_new(const Inspection& seen) const;
  Result<std::string> verify();

  Result<void> note_child(const Process& child);
  [[nodiscard]] Result<Inspection> look() const;
  /// The version that is to run: the target; where a flag is turned off, the one that does.
  [[nodiscard]] const std::string& wanted() const;
  /// A flag that is turned off takes effect in the process that runs.
  [[nodiscard]] bool goes_on() const;
  /// Whether a generation runs that is not the one from before, and is of the target.
  [[nodiscard]] bool is_new(const Inspection& seen) const;
  bool wait_for_new(int64_t until_boot_us);

  const ActionContext& context_;
  const size_t entry_number_;
  const ServiceFile::Rollback& entry_;
  const int64_t deadline_boot_us_;
  Progress progress_;
  std::optional<PackagePlan> plan_;  ///< of this run's preflight
};

}  // namespace serin::helper
