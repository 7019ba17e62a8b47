#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "agent/facts/files.h"
#include "agent/service/moment.h"

namespace serin::agent {

/// What a host is like: kernel, CPU, memory, this boot, the settings of the kernel that matter to a
/// service, and its packages. Some 25 small files a look (0.3 ms), each minute at most, and
/// at a version start; the packages' file only when it has changed (1 MB in 0.5 ms).
class HostFacts {
 public:
  static constexpr uint64_t kLookUs = 60'000'000;
  static constexpr uint64_t kLeastLookUs = 2'000'000;
  static constexpr double kRecentSeconds = 86'400;

  explicit HostFacts(HostRoots roots = {}) : roots_(std::move(roots)) {}

  /// Everything, read anew if `kLookUs` passed since the last time; `hurry`: if kLeastLookUs did.
  /// Null when nothing was read.
  const FactPairs* look(const Moment& now, bool hurry);

 private:
  void read_hardware();
  void read_settings();
  void read_packages(const Moment& now);

  HostRoots roots_;
  FactPairs facts_, hardware_, packages_;
  std::optional<uint64_t> looked_us_;
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t bytes = 0;
    int64_t changed_us = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  static std::optional<Stamp> stamp_of(const std::filesystem::path& file);
  std::optional<Stamp> packages_stamp_;
  uint64_t packages_us_ = 0;
};

/// A hash of the installed packages and their versions from /var/lib/dpkg/status, whatever their
/// order; empty for a text that holds none.
std::string hash_of_dpkg_status(std::string_view status);

/// The packages that a dpkg.log's lines from `since` (YYYY-MM-DD HH:MM:SS) on tell as installed or
/// removed, the newest first, each once: "libssl3 3.0.14, curl removed". Cut at fact::kValueBytes
/// with how many more there are.
std::string recent_packages(std::string_view log, std::string_view since);

}  // namespace serin::agent
