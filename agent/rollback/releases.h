#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/file.h"

namespace serin::helper {

inline constexpr const char* kIrreversibleMarker = ".serin-irreversible";

/// The folder that holds one folder per release. Deploy users own it, so it is never trusted:
/// everything below is reached from its descriptor without following a symlink or leaving it.
class Releases {
 public:
  static Result<Releases> open(const std::filesystem::path& folder);

  /// The folder of one release. Errors: no release name, absent, a symlink, no folder.
  [[nodiscard]] Result<UniqueFd> release(std::string_view name) const;
  /// Anything below a release (an executable), for looking at only.
  [[nodiscard]] Result<UniqueFd> entry(std::string_view release,
                                       const std::filesystem::path& rest) const;
  /// True where the release carries `.serin-irreversible`, of whatever kind; false too where the
  /// release is gone.
  [[nodiscard]] bool irreversible(std::string_view name) const;

  struct Place {
    std::string release;
    std::filesystem::path rest;  ///< below the release; empty for the release itself
  };
  /// Where a path that the kernel resolved (exe, cwd) lies; nullopt outside of the folder.
  [[nodiscard]] std::optional<Place> place_of(const std::filesystem::path& resolved) const;

  /// As the kernel names it.
  [[nodiscard]] const std::filesystem::path& real_path() const { return real_; }

 private:
  Releases(UniqueFd folder, std::filesystem::path real)
      : folder_(std::move(folder)), real_(std::move(real)) {}
  UniqueFd folder_;
  std::filesystem::path real_;
};

/// Opens `path` (relative, no `..`) below `folder` without following any symlink: openat2 where the
/// kernel has it, else component by component.
Result<UniqueFd> open_beneath(int folder, const std::filesystem::path& path, int flags);
/// The second way, on kernels without openat2 (and in its test).
Result<UniqueFd> open_beneath_by_component(int folder, const std::filesystem::path& path,
                                           int flags);

}  // namespace serin::helper
