#pragma once

#include <string>

#include "common/error.h"
#include "common/service_file.h"

namespace serin::agent {

/// What a command or HTTP answers now; for `serin-agent check`. Blocks for at most that question's
/// time limit. An error for every other source.
Result<std::string> ask_version_once(const ServiceFile& service);

}  // namespace serin::agent
