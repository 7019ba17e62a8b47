#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/sampler/service_check.h"

namespace serin::agent {

/// What would make the helper refuse every command for these services, as far as the files in
/// `folder` (/etc/serin) tell: a hold, or a rollback.toml that names another host than the agent
/// speaks for. `own_name` is the id that the helper takes without one.
std::vector<ServiceCheck::Line> check_helper_files(const std::filesystem::path& folder,
                                                   const std::string& agent_host,
                                                   const std::string& own_name,
                                                   const std::vector<std::string>& services);

}  // namespace serin::agent
