#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/discover/host_tree.h"

namespace serin::agent {

/// The package that a file came with.
struct OwningPackage {
  std::string name;
  /// All of the same source and version that are installed, `name` among them: they go back
  /// together, as they depend on each other.
  std::vector<std::string> together;
};

/// Asks dpkg's own lists, then rpm where there is one (`rpm -qf`, at most 5 s). Nullopt: the file
/// is no package's, or neither tool knows.
std::optional<OwningPackage> package_of(const HostTree& tree, const std::filesystem::path& file);

/// The part of package_of() that reads dpkg's status: what was built from the same source as `name`
/// and has its version.
std::vector<std::string> packages_together(std::string_view status, const std::string& name);

}  // namespace serin::agent
