#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/rollback/clock.h"
#include "agent/rollback/observer.h"
#include "common/error.h"
#include "common/file.h"
#include "common/ids.h"
#include "schema/messages.h"

// The helper's memory of what it was told and what came of it, in a folder that only root reads:
//   pending/<service>   the command that is being carried out: one a service at a time
//   done/<command id>   what was carried out, so that no command is carried out twice
// A file is text: a head (command id, service), the command in hex behind a word that says what it
// is (`signed` for a rollback, `drill`, `dead_man` for one that nobody signed), then one line for
// each step and for each intention, written and synced before the act it names. Only the helper
// creates such a file and only whoever holds its lock appends to it. Half a line at the end is what
// a power cut left: it does not count.

namespace serin::helper {

struct JournalEntry {
  int64_t wall_us = 0;
  std::string word;
  std::string text;
};

struct Record {
  std::string id;
  std::string service;
  HelperTask task = HelperTask::rollback;
  Bytes envelope;  ///< the SRK1 buffer as received; of the dead-man the SRM1 that the helper made
  std::vector<JournalEntry> entries;
  size_t sound_bytes = 0;  ///< up to the end of the last whole line

  [[nodiscard]] bool finished() const;
  [[nodiscard]] bool failed() const;
  [[nodiscard]] size_t count(std::string_view word) const;
};

/// The words that are reported as steps; all others are intentions and notes of the action itself.
bool is_step(std::string_view word);

/// What a task is called in the second line.
std::string_view word_of(HelperTask task);

Result<Record> parse_record(std::string_view text);
/// What was to be done. An error only for a record that was not ours to begin with.
Result<Command> command_of(const Record& record);

/// What a pending file begins with.
struct NewRecord {
  std::string service;
  std::string id;
  HelperTask task = HelperTask::rollback;
  Bytes envelope;
  std::string first = "accepted";  ///< its first word
};

class JournalFolder {
 public:
  explicit JournalFolder(std::filesystem::path state) : state_(std::move(state)) {}

  /// Makes the folders where absent. Errors: not owned by us, writable by others.
  [[nodiscard]] Result<void> prepare() const;
  /// Held while a command is taken in: two helpers must not both find a service idle.
  [[nodiscard]] Result<UniqueFd> lock() const;

  /// Nullopt when there is none; an error when the file is damaged, which people must look at.
  [[nodiscard]] Result<std::optional<Record>> pending(const std::string& service) const;
  [[nodiscard]] Result<std::optional<Record>> done(const std::string& id) const;
  /// The pending one, else the last one that ended.
  [[nodiscard]] Result<std::optional<Record>> latest(const std::string& service) const;
  [[nodiscard]] std::vector<std::string> pending_services() const;
  /// Whether an action holds the pending file right now.
  [[nodiscard]] bool held(const std::string& service) const;

  /// Writes pending/<service> with its first word, and room for all further steps. An error,
  /// for lack of room above all, leaves nothing behind.
  Result<void> create(const NewRecord& record, int64_t wall_us, StepObserver& observer) const;
  /// Keeps for ever that a command which never came is not to be carried out any more.
  Result<void> bury(const NewRecord& record, int64_t wall_us, StepObserver& observer) const;
  /// Moves a finished pending file to done/.
  [[nodiscard]] Result<void> retire(const Record& record) const;
  /// Forgets what ended more than 30 days ago and whose deadline has passed; never the dead-man's,
  /// which may not act twice for one version.
  void trim(int64_t wall_us) const;

  [[nodiscard]] std::filesystem::path pending_path(const std::string& service) const {
    return state_ / "pending" / service;
  }
  [[nodiscard]] std::filesystem::path done_path(const std::string& id) const {
    return state_ / "done" / id;
  }

 private:
  std::filesystem::path state_;
};

/// The pending file in the hands of the one action that may append to it.
class Journal {
 public:
  /// Nullopt when there is none or another action holds it.
  static Result<std::optional<Journal>> take(const JournalFolder& folder,
                                             const std::string& service, const Clock& clock,
                                             StepObserver& observer);

  [[nodiscard]] const Record& record() const { return record_; }
  /// On disk when it returns. An error means that the act it announces must not be taken.
  Result<void> append(std::string_view word, std::string_view text = {});
  /// After the last step: to done/.
  [[nodiscard]] Result<void> retire() const;
  /// As if it had never been: nothing was done, and nobody was told.
  [[nodiscard]] Result<void> discard() const;

 private:
  Journal(const JournalFolder& folder, const Clock& clock, StepObserver& observer)
      : folder_(folder), clock_(&clock), observer_(&observer) {}
  JournalFolder folder_;
  const Clock* clock_;
  StepObserver* observer_;
  UniqueFd file_;
  Record record_;
};

}  // namespace serin::helper
