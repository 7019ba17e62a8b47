#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/recorder/file.h"
#include "common/error.h"

namespace serin::agent {

/// What a service's recorder files held when all of it had been handed on, kept over a restart of
/// the agent, so that what was recorded meanwhile is counted once. One pwrite a save, without
/// rename and fsync: it has to survive a killed agent, and a power cut ends the processes anyway. A
/// torn text fails its checksum and counts as none.
class RecorderStore {
 public:
  struct Known {
    std::string name;
    FileIdentity identity;
    std::vector<uint64_t> sums;
  };
  struct Saved {
    uint64_t boot_us = 0;  ///< CLOCK_BOOTTIME of the save
    std::vector<Known> files;
  };

  static Result<RecorderStore> open(const std::filesystem::path& file, std::string_view boot_id);
  /// Absent when there is none, when it is damaged, or when it stems from another boot.
  std::optional<Saved> load();
  /// A failure (a full disk) is counted, never fatal.
  void save(const Saved& saved);
  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  RecorderStore(UniqueFd fd, std::string boot_id)
      : fd_(std::move(fd)), boot_id_(std::move(boot_id)) {}

  UniqueFd fd_;
  std::string boot_id_;
  uint64_t failures_ = 0;
};

/// The text of a save and back, without the checksum; pure. nullopt for anything else.
std::string saved_text(const RecorderStore::Saved& saved, std::string_view boot_id);
std::optional<RecorderStore::Saved> parse_saved(std::string_view text, std::string_view boot_id);

}  // namespace serin::agent
