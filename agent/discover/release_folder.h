#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/discover/host_tree.h"

namespace serin::agent {

/// A link that says which release runs: /srv/api/current -> releases/1.4.2.
struct ReleaseFolder {
  std::filesystem::path link, releases;
  std::string current;
  std::vector<std::string> others;  ///< the other folders beside the current one
  /// The folder holds releases and nothing else, as far as its place tells: the link lies
  /// elsewhere.
  bool dedicated = false;
};

/// Looks along paths of a program for such a link: as part of a path that was written by hand
/// (`written`: ExecStart, arguments), and beside what a path of the kernel's (`resolved`:
/// executable, working folder) leads through. What lies below /usr and the like is no release.
std::optional<ReleaseFolder> find_release_folder(
    const HostTree& tree, const std::vector<std::filesystem::path>& written,
    const std::vector<std::filesystem::path>& resolved);

/// The absolute paths that a unit's files name in ExecStart= and WorkingDirectory=; its drop-ins
/// included.
std::vector<std::filesystem::path> unit_paths(const HostTree& tree, const std::string& unit);

}  // namespace serin::agent
