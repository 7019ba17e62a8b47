#pragma once

#include <cstdint>
#include <filesystem>

#include "common/error.h"

namespace serin::helper {

/// Whether the file system of a folder has this much room, and a few inodes, for root. Errors say
/// how much there is; a folder that cannot be asked is one.
Result<void> check_room(const std::filesystem::path& folder, uint64_t bytes);

}  // namespace serin::helper
