#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/discover/host_tree.h"
#include "agent/discover/proposal.h"
#include "agent/discover/scan.h"

namespace serin::agent {

struct DiscoverOptions {
  enum class Ports { left_alone, asked } ports = Ports::left_alone;
  ScanOptions::Infrastructure infrastructure = ScanOptions::Infrastructure::left_out;
  std::string only_unit;  ///< empty: every one
  std::filesystem::path services =
      "/etc/serin/services.d";  ///< units named there are watched already
};

struct Discovery {
  std::vector<Proposal> proposals;  ///< each has been read back by the parser of service files
  std::vector<Scan::Note> left_out;
  std::vector<std::string> problems;
};

/// Proposes a service file for each unit that listens. Changes nothing; asks nobody anything unless
/// told to (`ports`).
Discovery discover(const HostTree& tree, const DiscoverOptions& options);

/// As it is printed: every line that is no part of a proposal is a comment, too.
std::string printed(const Discovery& discovery, const std::filesystem::path& folder);

/// Writes each proposal into `folder`, root's and readable; a file that is there is left as it is.
/// What was done, line by line; an error when one could not be written.
Result<std::vector<std::string>> write_proposals(const Discovery& discovery,
                                                 const std::filesystem::path& folder);

}  // namespace serin::agent
