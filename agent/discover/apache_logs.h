#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discover/access_log_found.h"
#include "agent/discover/host_tree.h"

namespace serin::agent {

/// Apache's LogFormat text as a format of ours: `%h %>s %D` becomes `$remote_addr $status
/// $request_time_us`. What we have no use for becomes a variable that is passed over.
std::string format_of_apache(std::string_view log_format);

/// Reads Apache's configuration, its includes too, for CustomLog and LogFormat. `environment`: what
/// stands for ${NAME}. Nothing is run. Bounded: 256 files, 16 levels.
std::vector<FoundLog> apache_logs(const HostTree& tree, const std::filesystem::path& config,
                                  const std::map<std::string, std::string>& environment);

}  // namespace serin::agent
