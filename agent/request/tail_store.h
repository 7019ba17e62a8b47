#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "agent/request/file_tail.h"

namespace serin::agent {

/// Keeps one tail's place in a small file. One pwrite of fixed size a save, without rename and
/// fsync: it must survive a killed agent each second at no cost, and a power cut ends the processes
/// that were followed anyway. A torn record fails its checksum and counts as none.
class TailStore {
 public:
  struct Record {
    TailPosition position;
    uint64_t boot_us = 0;  ///< CLOCK_BOOTTIME of the save
    std::string path;      ///< of the log
  };

  static Result<TailStore> open(const std::filesystem::path& file, std::string_view boot_id);
  /// Absent when there is none, when it is damaged, or when it stems from another boot (times would
  /// mean nothing, the place would: but a log is rarely followed over a boot without rotation, and
  /// its requests are history).
  std::optional<Record> load();
  /// Failures (a full disk) are counted, never fatal.
  void save(const Record& record);
  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  TailStore(UniqueFd fd, std::string boot_id) : fd_(std::move(fd)), boot_id_(std::move(boot_id)) {}

  UniqueFd fd_;
  std::string boot_id_;
  uint64_t failures_ = 0;
};

}  // namespace serin::agent
