#pragma once

#include <filesystem>
#include <vector>

#include "agent/discover/access_log_found.h"
#include "agent/discover/host_tree.h"

namespace serin::agent {

/// Reads nginx's configuration, its includes too, as far as access logs go: which are in effect in
/// a server, with which log_format, and to which local ports its requests are passed on. Nothing is
/// run. Bounded: 256 files, 16 levels.
std::vector<FoundLog> nginx_logs(const HostTree& tree, const std::filesystem::path& config);

}  // namespace serin::agent
