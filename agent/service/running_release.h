#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace serin::agent {

/// What the kernel says about the code that a process runs.
struct RunningRelease {
  std::string version;  ///< empty: neither executable nor working directory lies below the releases
  std::string artefact;    ///< `exe:` device:inode:ctime of the executable, or `dir:` … of the
                           ///< release's folder
  bool forbidden = false;  ///< it is another user's process: the root helper must be asked
};

/// Executable, else working directory, as the kernel resolved them, below `releases` (which may
/// hold links itself). `releases` empty: no version, but the executable's artefact.
RunningRelease running_release(int32_t pid, const std::filesystem::path& releases,
                               const std::filesystem::path& proc = "/proc");

/// device:inode:time of what a release folder is: its ctime moves with every file made in it, so
/// its birth counts.
std::string folder_artefact(const std::filesystem::path& folder);

/// Do two artefacts of one version tell that its code was replaced? Only those of one kind can: an
/// executable, a folder, or a build-id.
bool is_other_artefact(std::string_view a, std::string_view b);

}  // namespace serin::agent
