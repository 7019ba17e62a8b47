#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/rollback/clock.h"
#include "agent/rollback/settings.h"
#include "common/error.h"

namespace serin::helper {

enum class PackageTool { apt, dnf };

/// A package as dpkg or rpm knows it.
struct InstalledPackage {
  PackageTool tool = PackageTool::apt;
  std::string version;       ///< rpm: version-release
  std::string architecture;  ///< dpkg only
  std::string state;         ///< "installed"; else what dpkg is in the middle of
  bool whole = true;         ///< its files are those of `version`, all of them
  int64_t changed_us = 0;    ///< when its files had been put there, wall clock
  std::string files;         ///< their names, each between two line ends
  [[nodiscard]] bool holds(const std::filesystem::path& file) const;
  /// Whether it brings a file of this name, anywhere.
  [[nodiscard]] bool brings(const std::string& name) const;
};

/// Asks dpkg's files, then rpm where there is one. Nullopt where neither knows it.
Result<std::optional<InstalledPackage>> installed_package(const std::string& name,
                                                          const Settings& settings,
                                                          const Clock& clock);

}  // namespace serin::helper
