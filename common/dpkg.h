#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace serin {

/// Names and versions as dpkg and rpm write them: nothing that a shell, or the command line of apt
/// and dnf, would take for something else.
bool is_package_name(std::string_view name);
bool is_package_version(std::string_view version);

/// What dpkg knows of one package.
struct DpkgPackage {
  std::string version, architecture;
  std::string state;           ///< "installed"; else what dpkg was in the middle of
  std::filesystem::path list;  ///< the names of its files, one a line
  int64_t changed_us = 0;      ///< when its files were put there (ctime of `list`), wall clock
  /// Its files are those of `version`: true but for the moments in which dpkg replaces them.
  [[nodiscard]] bool whole() const { return state != "half-installed"; }
};

inline constexpr const char* kDpkgFolder = "/var/lib/dpkg";

/// Reads dpkg's own files, as it leaves them at each step (status, and updates/ of a run under
/// way): no program is run, and no lock taken. Nullopt where dpkg knows no such package, or none
/// whose files are there. Errors: the files cannot be read.
Result<std::optional<DpkgPackage>> dpkg_package(std::string_view name,
                                                const std::filesystem::path& dpkg = kDpkgFolder);

/// The file that lists a package's files: `info/NAME.list`, or `info/NAME:ARCH.list`. Empty where
/// there is none.
std::filesystem::path dpkg_list(std::string_view name,
                                const std::filesystem::path& dpkg = kDpkgFolder);

}  // namespace serin
