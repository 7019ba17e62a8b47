#pragma once

#include <string>
#include <vector>

#include "agent/rollback/settings.h"
#include "common/service_file.h"

namespace serin::helper {

/// Versions of a service that are there to go back to, by the names of things alone, what changed
/// last first: the releases in its folder, the packages in apt's cache. Empty where neither is what
/// its versions come from.
std::vector<std::string> versions_there(const ServiceFile& service, const Settings& settings);

}  // namespace serin::helper
