#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "agent/service/version_history.h"
#include "common/dpkg.h"
#include "common/error.h"
#include "common/service_file.h"

namespace serin::agent {

/// Reads a version link: the first component of its target below `releases`, else the target's last
/// one. An error where there is no link, or where that component cannot be a version.
Result<VersionValue> read_version_link(const std::filesystem::path& link,
                                       const std::filesystem::path& releases);
/// Reads a version file: its first line without surrounding blanks.
Result<VersionValue> read_version_file(const std::filesystem::path& file);
/// Reads what dpkg has installed, since when. An error where there is no such package, or while its
/// files are being replaced.
Result<VersionValue> read_version_package(const std::string& name,
                                          const std::filesystem::path& dpkg = kDpkgFolder);

/// The link, file or package that a service's version comes from, and what it said when. look()
/// costs one or two lstat while nothing changes: call it at each tick and whenever the name is
/// reported to have changed.
class VersionSource {
 public:
  /// `dpkg`: where dpkg keeps its files, for packages. Without them (rpm) the helper must be asked.
  explicit VersionSource(const ServiceFile& service, std::filesystem::path dpkg = kDpkgFolder);

  /// Notes the present value. True when it is another than before.
  bool look();
  [[nodiscard]] const VersionHistory& history() const { return history_; }
  /// What the next start would take; empty when that cannot be told.
  [[nodiscard]] std::string selected() const;
  /// Why the link or file cannot be read; empty when all is well.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// What tells of a change. Empty where the version comes from elsewhere (build-id, rpm).
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The folder of releases, or empty: the rollback action's, else the one the link's target lies
  /// in.
  [[nodiscard]] std::filesystem::path releases() const;
  [[nodiscard]] bool is_link() const { return is_link_; }

 private:
  /// What lstat tells of one state of the name.
  struct Seen {
    uint64_t inode = 0;
    int64_t ctime_ns = 0;
    int64_t status_ns = 0;  ///< packages: ctime of dpkg's status
    friend bool operator==(const Seen&, const Seen&) = default;
  };

  [[nodiscard]] std::optional<Seen> glance() const;
  [[nodiscard]] Result<VersionValue> read() const;
  void follow_package(const std::string& name);

  std::filesystem::path path_, releases_, dpkg_;
  std::string package_;
  bool is_link_ = false;
  std::optional<Seen> seen_;
  VersionHistory history_;
  std::string problem_;
};

}  // namespace serin::agent
