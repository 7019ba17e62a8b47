#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "common/error.h"
#include "schema/messages.h"

namespace serin::agent {

/// The last generation of a service that was announced, as it was announced.
struct GenerationRecord {
  std::string generation;
  std::string version;
  std::string previous;  ///< the last other version that ran here
  std::string artefact;
  EventKind kind = EventKind::version_started;
  Cause cause = Cause::external;
  bool same_name = false;
  bool ambiguous = false;
  int64_t start_us = 0;  ///< wall clock
  friend bool operator==(const GenerationRecord&, const GenerationRecord&) = default;
};

/// `versions.journal`: what `previous` means after the agent or the host was started again, and the
/// guard against a version being announced as new because the agent is. One short file, replaced at
/// each start of a service. It outlives the agent; a power cut may take the last start from it.
class VersionJournal {
 public:
  /// An absent file is an empty journal; a damaged line is left out and named in `problem`.
  static VersionJournal load(const std::filesystem::path& file);
  /// Nothing is kept (for `check`).
  VersionJournal() = default;

  [[nodiscard]] const GenerationRecord* last(const std::string& service) const;
  /// Remembers and writes. On an error (a full disk) it is remembered all the same, until the agent
  /// ends.
  Result<void> put(const std::string& service, GenerationRecord record);
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  std::filesystem::path file_;
  std::map<std::string, GenerationRecord> records_;
  std::string problem_;
};

}  // namespace serin::agent
