#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace serin::agent {

/// The files of a host as `discover` sees them: below a root, so that tests show it captured trees.
/// Every path that goes in or comes out is one of the host's own. Reads only; what is not there or
/// may not be read is absent.
class HostTree {
 public:
  explicit HostTree(std::filesystem::path root = "/") : root_(std::move(root)) {}

  /// Where it really lies.
  [[nodiscard]] std::filesystem::path at(const std::filesystem::path& path) const;
  [[nodiscard]] Result<std::string> text(const std::filesystem::path& path) const;
  /// What a symbolic link means, made absolute; nullopt: it is none.
  [[nodiscard]] std::optional<std::filesystem::path> link(const std::filesystem::path& path) const;
  [[nodiscard]] bool is_folder(const std::filesystem::path& path) const;
  [[nodiscard]] bool is_file(const std::filesystem::path& path) const;
  /// The names in a folder, sorted; at most kMostNames of them.
  [[nodiscard]] std::vector<std::string> names(const std::filesystem::path& folder) const;
  /// What a pattern with `*` and `?` in its names stands for, sorted.
  [[nodiscard]] std::vector<std::filesystem::path> matching(
      const std::filesystem::path& pattern) const;

  static constexpr size_t kMostNames = 65'536;  // more is no folder of processes, sites or packages
  static constexpr size_t kMostTextBytes = size_t{16} << 20;  // the longest list of files of dpkg's

 private:
  std::filesystem::path root_;
};

}  // namespace serin::agent
