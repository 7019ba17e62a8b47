#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace serin::helper {

/// The GNU build-id of an ELF file (64 bit, this machine's byte order) in hex; nullopt where it has
/// none.
std::optional<std::string> build_id(const std::filesystem::path& file);

}  // namespace serin::helper
