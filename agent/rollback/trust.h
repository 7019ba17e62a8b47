#pragma once

#include <filesystem>

#include "common/error.h"

namespace serin::helper {

/// A root program obeys only what root (or, without root, its own user) wrote. These say whether
/// that holds: owner root or the helper's own user, not writable by group or others. Errors say
/// which of it fails.
Result<void> check_owned_file(const std::filesystem::path& file);
Result<void> check_owned_folder(const std::filesystem::path& folder);
/// A folder and every file in it (pinned keys).
Result<void> check_owned_contents(const std::filesystem::path& folder);
/// A folder in which nobody but root can put anything, nor put another folder in its place: itself
/// and every folder and symlink on the way, from / on, is owned as above.
Result<void> check_owned_way(const std::filesystem::path& folder);
/// A program that root is to run, with every symlink on its way resolved: owned as above and
/// executable, and so is every folder and link on the way, from / on, so that nobody else can put
/// another program in its place. What comes back is what to execute. A folder like /tmp passes as a
/// way: nobody else can rename there what is ours.
Result<std::filesystem::path> owned_program(const std::filesystem::path& program);

}  // namespace serin::helper
