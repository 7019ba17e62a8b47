#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/rollback/inspect.h"
#include "agent/rollback/settings.h"
#include "schema/messages.h"

namespace serin::helper {

/// The files that /proc/PID/maps shows as mapped for execution, each once, sorted; those that were
/// deleted since end in " (deleted)". Not the kernel's own ([vdso]), nor what no file system holds.
std::vector<std::string> executable_files(std::string_view maps);

/// The libraries that a process has mapped from outside of its release, with their build-ids: what
/// the host adds to the code. Reads each one's ELF header (some 20 µs each), reached without
/// following a link from the process's own root. `releases` empty: outside are the folders of the
/// system. At most limits::kLibraries, the others are counted.
MappedLibraries mapped_libraries(const Settings& settings, const Running& running,
                                 const std::optional<Releases>& releases);

}  // namespace serin::helper
