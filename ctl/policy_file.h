#pragma once

#include <filesystem>

#include "schema/policy.h"

namespace serin::ctl {

/// The `[policy.*]` of a TOML file: of aggregator.toml, whose other tables are left to the
/// aggregator, or of a file that holds nothing else.
Result<PolicySet> read_policy_file(const std::filesystem::path& file);

}  // namespace serin::ctl
