#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/error.h"

namespace serin {

/// One file of services.d: what is watched and what may be done about it. Agent and root helper
/// read the same file through this one parser. All paths are absolute and hold no "..".
///
///   unit = "api.service"                        # or a list; or pid_file = "…"; or exe = "…"
///   version = { symlink = "/srv/api/current" }  # or { file = "…" }; default { build_id = true }
///   [[requests]]
///   source = "access_log"
///   path = "/var/log/nginx/api.access.log"
///   format = "combined"                 # or nginx log_format text
///   slo = "2s"
///   [[business]]
///   name = "orders"
///   worse = "lower"
///   field = "$uri"
///   equals = "/checkout"
///   [[rollback]]
///   action = "release_symlink"
///   releases = "/srv/api/releases"
///   restart = "api.service"             # or { command = ["/usr/bin/x"] }, or { signal = "HUP" }
///   healthy = { http = "http://127.0.0.1:8080/healthz", within = "20s" }
///   timeout = "2m"
///   [[rollback]]                        # tried when the one before could not be done
///   action = "command"
///   command = ["/usr/local/bin/put-back", "api"]
///   [dead_man]                          # this host may go back by itself when it is cut off
///   within = "10m"
struct ServiceFile {
  struct ByUnit {
    std::vector<std::string> units;
  };
  struct ByPidFile {
    std::filesystem::path path;
  };
  struct ByExe {
    std::filesystem::path path;
  };
  std::string name;  ///< base name of the file without .toml
  std::variant<ByUnit, ByPidFile, ByExe> process;

  struct VersionSymlink {
    std::filesystem::path link;
  };
  struct VersionFile {
    std::filesystem::path path;
  };
  struct VersionBuildId {};
  std::variant<VersionBuildId, VersionSymlink, VersionFile> version;

  struct Requests {
    std::string source;  ///< "access_log"; others are refused as not supported by this version
    std::filesystem::path path;
    std::string format;  ///< nginx log_format text, or the name of a preset
    std::optional<std::string> version_field;
    std::optional<double> slo_seconds;  ///< optional fixed latency edge
  };
  std::vector<Requests> requests;

  struct Business {
    std::string name;
    enum class Worse { lower, higher, both } worse = Worse::lower;
    /// Counted when a log field matches: `field = "$uri"`, `equals = "/checkout"` and a 2xx/3xx
    /// status. Both or neither.
    std::optional<std::string> field, equals;
  };
  std::vector<Business> business;

  struct Healthy {
    std::string http;  ///< URL that must answer 2xx; empty: only "the process runs"
    double within_seconds = 20;
  };
  struct RestartUnit {
    std::string unit;
  };
  struct RestartCommand {
    std::vector<std::string> argv;
  };
  struct RestartSignal {
    std::string signal;
  };  ///< without "SIG": HUP, USR1, USR2, TERM, INT, QUIT
  struct Rollback {
    std::string action;              ///< "release_symlink" or "command"
    std::filesystem::path releases;  ///< release_symlink: the folder the link's target lies in
    std::filesystem::path link;      ///< release_symlink: default: the version symlink
    /// Always there for release_symlink: a switched link alone changes no running process.
    std::variant<std::monostate, RestartUnit, RestartCommand, RestartSignal> restart;
    std::vector<std::string> argv;  ///< `command`: absolute program and its arguments
    Healthy healthy;
    double timeout_seconds = 120;
  };
  std::vector<Rollback> rollback;  ///< tried in order

  /// Root allows this host to go back without a signature: a new version that fails, unconfirmed,
  /// while nobody can be reached.
  struct DeadMan {
    double within_seconds = 600;  ///< after the version's start; later never
  };
  std::optional<DeadMan> dead_man;  ///< absent: not allowed
};

/// Reads one text; `file` gives the service's name and stands in the errors, but is not opened (the
/// helper reads it from a descriptor whose owner it has checked).
Result<ServiceFile> parse_service_file(std::string_view text, const std::filesystem::path& file);
/// Reads one file. Errors name file, line and the nearest known key, all problems at once.
Result<ServiceFile> load_service_file(const std::filesystem::path& file);
/// Every *.toml of a folder, sorted by name; each with its own outcome, so that one bad file hides
/// no other. A folder that cannot be read is one entry with its error.
std::vector<std::pair<std::filesystem::path, Result<ServiceFile>>> load_service_folder(
    const std::filesystem::path& folder);

}  // namespace serin
