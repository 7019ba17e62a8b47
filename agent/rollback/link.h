#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/rollback/releases.h"
#include "common/error.h"

namespace serin::helper {

/// What a release link says now: `prefix/release/rest`, as its text stands (relative or absolute).
struct LinkValue {
  std::filesystem::path prefix;  ///< names the releases folder
  std::string release;
  std::filesystem::path rest;  ///< below the release, often empty
  int64_t changed_us = 0;      ///< the link's ctime, wall clock
};

/// Reads the link. Errors: no symlink, or one that does not point below the releases folder.
Result<LinkValue> read_link(const std::filesystem::path& link, const Releases& releases);

/// A name for the link that is made before the old one is replaced: `.serin-<random>`.
std::string temporary_link_name();
/// Whether it may be such a name: nothing else is ever removed.
bool is_temporary_name(std::string_view name);

struct ReleaseSwitch {
  std::string condemned, target;
};

/// Makes the link point from one release to another, in the same form and with the same owner, in
/// one step that survives a power cut; not when it points elsewhere by then. `temporary` is left
/// behind by a crash in the middle; remove_temporary takes it away.
Result<void> switch_link(const std::filesystem::path& link, const Releases& releases,
                         const ReleaseSwitch& change, const std::string& temporary);
void remove_temporary(const std::filesystem::path& link, const std::string& temporary);

/// Gives away the symlink that we just made in an open folder, and only that: whoever may write
/// there may have put something else under its name, which stays with its owner.
Result<void> give_link(int folder, const std::string& name, uid_t uid, gid_t gid);

}  // namespace serin::helper
