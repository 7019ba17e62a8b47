#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/recorder/head.h"
#include "common/error.h"
#include "common/file.h"

namespace serin::agent {

/// What tells one file from any other that ever had its name.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// One recorder file, read with pread and never mapped: a writer that truncates it costs an error
/// and not the agent. Anybody may put anything into the folder, so only a regular file with one
/// name is opened, links are not followed, and a pipe does not block.
class RecorderFile {
 public:
  /// nullopt: its head is not written yet. Errors name the file.
  static Result<std::optional<RecorderFile>> open(int folder, const std::string& name);

  /// The counters since the writer's start: RecorderHead::used_cells() of them, summed over the
  /// shards. Each is one that was there at some moment of the reading; later readings never have
  /// less, unless the file is damaged. Costs a copy of the file, at most 3 MB, in pieces.
  Result<void> read(std::vector<uint64_t>& sums) const;

  /// The process that keeps the file locked since it made it, by the kernel's word: it lives. 0:
  /// nobody does.
  [[nodiscard]] int32_t locked_by() const { return locked_by(fd_.get()); }
  static int32_t locked_by(int fd);

  [[nodiscard]] const RecorderHead& head() const { return head_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] uint32_t owner() const { return owner_; }
  [[nodiscard]] FileIdentity identity() const { return identity_; }

 private:
  RecorderFile(UniqueFd fd, std::string name, RecorderHead head)
      : fd_(std::move(fd)), name_(std::move(name)), head_(std::move(head)) {}

  UniqueFd fd_;
  std::string name_;
  RecorderHead head_;
  uint32_t owner_ = 0;
  FileIdentity identity_;
};

}  // namespace serin::agent
