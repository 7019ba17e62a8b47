#pragma once

#include <filesystem>

#include "common/error.h"

namespace serin::aggregator {

/// Runs until SIGTERM or SIGINT.
Result<void> run_aggregator(const std::filesystem::path& config);

}  // namespace serin::aggregator
