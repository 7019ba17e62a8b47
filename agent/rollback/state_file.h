#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

// Small files below the helper's state folder, one a service: what was confirmed, what was
// rehearsed.

namespace serin::helper {

/// Replaces folder/service in one step that survives a power cut; makes the folder where absent.
Result<void> write_state_file(const std::filesystem::path& folder, const std::string& service,
                              const std::string& text);
/// Empty when there is none, or it cannot be read.
std::string read_state_file(const std::filesystem::path& folder, const std::string& service);

}  // namespace serin::helper
