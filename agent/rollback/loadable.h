#pragma once

#include <filesystem>

#include "agent/rollback/clock.h"
#include "agent/rollback/releases.h"
#include "agent/rollback/settings.h"
#include "common/service_file.h"

namespace serin::helper {

/// Whether a file could be executed, as far as looking tells: a regular file with an x bit, whole,
/// for this machine, with its interpreter there. What is neither ELF nor `#!` may be known to the
/// kernel in other ways and passes. Errors say what is wrong.
Result<void> check_loadable(int fd);

/// The release that a rollback would go back to, and the one it is to replace.
struct ReleasePair {
  std::string condemned, target;
};

/// Whether the target could be started: it is not empty, holds what the link points to below it,
/// and whatever the restarted unit names below the link (program, arguments, working directory) and
/// the condemned release has, the target has too; a program that can be executed. Where nothing of
/// this is known there is nothing to find fault with.
Result<void> check_release_loadable(const ServiceFile::Rollback& entry,
                                    const std::filesystem::path& link, const Releases& releases,
                                    const ReleasePair& pair, const Settings& settings,
                                    const Clock& clock);

}  // namespace serin::helper
