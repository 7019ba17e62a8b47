#include <sstream>

#include "agent/rollback/attempt.h"

namespace serin::helper {
namespace {

void note_child(Progress& progress, const std::string& text, const std::string& boot) {
  std::istringstream fields(text);
  std::string its_boot;
  Process child;
  if (!(fields >> its_boot >> child.pid >> child.start_ticks)) return;
  progress.child_noted = true;
  if (its_boot == boot) progress.child = child;
}

void forget_child(Progress& progress) {
  progress.child.reset();
  progress.child_noted = false;
}

void apply(Progress& progress, const JournalEntry& entry, const std::string& boot) {
  const std::string& word = entry.word;
  if (word == "before") {
    progress.before = entry.text;
  } else if (word == "preflight") {
    progress.preflight = true;
  } else if (word == "will_switch") {
    progress.will_switch = true;
    progress.temporary = entry.text;
  } else if (word == "will_run") {
    progress.will_run = true;
  } else if (word == "child") {
    note_child(progress, entry.text, boot);
  } else if (word == "switched") {
    progress.switched = true;
    forget_child(progress);
  } else if (word == "will_restart") {
    progress.will_restart = true;
    forget_child(progress);
  } else if (word == "restarted") {
    progress.restarted = true;
  } else if (word == "healthy") {
    progress.healthy = true;
  } else if (word == "gave_up") {
    progress.given_up = entry.text;
  }
}

}  // namespace

Progress progress_of(const Record& record, const std::string& boot, std::string_view way) {
  Progress progress;
  for (JournalEntry entry : record.entries) {
    if (!entry.word.starts_with(way)) continue;
    entry.word.erase(0, way.size());
    if (entry.word == "begin") {
      progress = Progress{};
      progress.entry = static_cast<size_t>(std::strtoul(entry.text.c_str(), nullptr, 10));
    } else {
      apply(progress, entry, boot);
    }
  }
  return progress;
}

}  // namespace serin::helper
