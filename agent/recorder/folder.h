#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/recorder/file.h"
#include "common/file.h"

namespace serin::agent {

/// The folder that applications put their recorder files into. It is open to everybody, so what a
/// look at it costs is bounded, and it is looked at again only after it changed.
class RecorderFolder {
 public:
  static constexpr size_t kMostEntries = 8192;  ///< looked at: about 2 ms

  struct Entry {
    std::string name;
    FileIdentity identity;
    uint32_t owner = 0;
    int32_t pid = 0;  ///< as the name says
    int64_t made_us =
        0;  ///< wall clock of its last change of status: of a file being made, its making
  };

  explicit RecorderFolder(std::filesystem::path path) : path_(std::move(path)) {}

  /// The files of a service, in no order; nullopt: nothing changed since the last look.
  std::optional<std::vector<Entry>> look(std::string_view service);
  /// The next look lists it, changed or not.
  void forget() { changed_ns_ = -1; }
  /// Removes a file if it still is that one. False: it is there and may not be removed.
  [[nodiscard]] bool remove(const std::string& name, FileIdentity identity) const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Why it cannot be seen, or not all of it; empty when it can.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool open_again();
  std::vector<Entry> list(std::string_view service);

  std::filesystem::path path_;
  UniqueFd fd_;
  FileIdentity identity_;
  int64_t changed_ns_ = -1;
  std::string problem_;
};

}  // namespace serin::agent
