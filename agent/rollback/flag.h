#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"
#include "common/service_file.h"

namespace serin::helper {

// A feature flag in a file that flagd, or the service itself, watches:
//   { "flags": { NAME: { "state": "ENABLED", "variants": { … }, "defaultVariant": "on" } } }
// Root writes such a file only in one of two ways: as itself where every folder on the way is
// root's alone, so that nobody can put anything else in its place; else with the rights of the
// file's owner, who so can only do to himself what he could do anyway.

/// Whether the flag could be turned off here: the file can be read and written in one of the two
/// ways, the flag is there, has the variant, no targeting rule that chooses past it, and is not off
/// already. Only looks.
Result<void> check_flag(const ServiceFile::Flag& flag);

/// Whether the file says that the flag is off. Errors: it does not tell.
Result<bool> flag_is_off(const ServiceFile::Flag& flag);

/// Turns it off, by a new file of the same owner and mode in the old one's place; on disk when it
/// returns. Everything else in the file stays, but for white space. Fine when it is off already.
/// `temporary` is what a crash in the middle leaves behind; remove_flag_temporary takes it away.
Result<void> turn_flag_off(const ServiceFile::Flag& flag, const std::string& temporary);
void remove_flag_temporary(const ServiceFile::Flag& flag, const std::string& temporary);

/// "flag new-checkout in /etc/flagd/flags.json".
std::string name_of(const ServiceFile::Flag& flag);

}  // namespace serin::helper
