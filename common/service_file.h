#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/error.h"
#include "common/metric_selector.h"

namespace serin {

/// Where a page of metrics is fetched from.
struct ScrapeUrl {
  std::string host;  ///< an address; what is scraped lies on this host or next to it
  uint16_t port = 0;
  std::string target;  ///< what stands behind GET
};
/// `http://ADDRESS:PORT/path`; localhost is 127.0.0.1.
Result<ScrapeUrl> parse_scrape_url(std::string_view text);

/// One file of services.d: what is watched and what may be done about it. Agent and root helper
/// read the same file through this one parser. All paths are absolute and hold no "..".
///
///   unit = "api.service"                        # or a list; or pid_file = "…"; or exe = "…"
///   version = { symlink = "/srv/api/current" }  # or { file = "…" }; or { package = "api" };
///                                               # default { build_id = true }; asked of what runs:
///                                               # { command = […] }, { http = "…" } or
///                                               # { unit_property = "Environment", key = "V" }
///   config = ["/etc/api/*.toml"]                # whose changes are told, as hashes
///   ports = [8080]                              # on which it listens: its sockets, besides those of
///                                               # its unit's control group
///   [[requests]]
///   source = "access_log"
///   path = "/var/log/nginx/api.access.log"
///   format = "combined"                 # or nginx log_format text
///   slo = "2s"
///   [[requests]]
///   source = "prometheus"               # or "statsd", "syslog"
///   url = "http://127.0.0.1:9100/metrics"
///   requests = 'http_requests_total'
///   errors = 'http_requests_total{code="5*"}'
///   latency = "http_request_duration_seconds"
///   [[class]]                           # requests that are told apart: the first that fits
///   name = "checkout"
///   field = "$uri"                      # of a log; or label = "handler": of a metric
///   prefix = "/checkout"                # or equals = "…"
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
///   action = "package"
///   package = "api"                     # or a list of packages with one version
///   restart = "api.service"
///   [[rollback]]
///   action = "flag"
///   file = "/etc/flagd/flags.json"
///   flag = "new-checkout"
///   variant = "off"                     # or state = "DISABLED"
///   [[rollback]]
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
  struct VersionPackage {
    std::string name;  ///< as dpkg or rpm knows it
  };
  // Asked for after each start, of what runs (common/service_version.cpp).
  struct VersionCommand {
    std::vector<std::string> argv;
  };
  struct VersionHttp {
    ScrapeUrl url;
    std::string json;    ///< where in the answer, a JSON pointer; empty: its first line
    std::string header;  ///< or the header that holds it, in lower case
  };
  struct VersionUnitProperty {
    std::string property;  ///< as `systemctl show` calls it
    std::string key;       ///< of a list of KEY=VALUE
  };
  std::variant<VersionBuildId, VersionSymlink, VersionFile, VersionPackage, VersionCommand,
               VersionHttp, VersionUnitProperty>
      version;
  /// Only what runs can tell its version, when it is asked.
  [[nodiscard]] bool version_is_asked() const {
    return std::holds_alternative<VersionCommand>(version) ||
           std::holds_alternative<VersionHttp>(version) ||
           std::holds_alternative<VersionUnitProperty>(version);
  }

  struct Requests {
    /// "access_log", "syslog", "statsd", "prometheus", "recorder" or "probe"
    std::string source;
    std::filesystem::path path;                ///< access_log; recorder: the folder of its files
    std::string format;                        ///< access_log, syslog: log_format text, or a preset
    std::optional<std::string> version_field;  ///< not prometheus; of statsd the name of a tag
    std::optional<double> slo_seconds;         ///< optional fixed latency edge
    std::string listen;           ///< syslog, statsd: a socket's path, or ADDRESS:PORT for UDP
    std::string tag;              ///< syslog: what the program calls itself
    ScrapeUrl url;                ///< prometheus, probe; of a TCP probe without target
    double interval_seconds = 1;  ///< prometheus, probe
    double timeout_seconds = 1;   ///< probe
    /// statsd, prometheus: which metrics count requests and those that failed, and which one holds
    /// how long they took. Without `requests` the latter counts them too.
    std::vector<MetricSelector> requests, errors, latency;
    std::optional<std::string> status_label;  ///< of `requests`: the HTTP status
    double latency_unit_seconds = 1e-3;       ///< statsd
    [[nodiscard]] bool is_log() const { return source == "access_log" || source == "syslog"; }
    /// False: it is there for the business alone.
    [[nodiscard]] bool counts_requests() const {
      bool by_name = source == "statsd" || source == "prometheus";
      return !by_name || !requests.empty() || !latency.empty();
    }
  };
  std::vector<Requests> requests;

  /// A part of the requests that is told apart: a route, a tenant. What fits none is kRestClass.
  struct Class {
    std::string name;
    std::optional<std::string> field;  ///< of a log; or:
    std::optional<std::string> label;  ///< of a metric; of the recorder `class`
    std::optional<std::string> equals, prefix;  ///< one of them
  };
  static constexpr size_t kMostClasses = 15;  ///< the wire has room for one more, the rest
  static constexpr std::string_view kRestClass = "other";
  std::vector<Class> classes;  ///< the first that fits has the request

  struct Business {
    std::string name;
    enum class Worse { lower, higher, both } worse = Worse::lower;
    /// Counted when a log field matches: `field = "$uri"`, `equals = "/checkout"` and a 2xx/3xx
    /// status. Both or neither.
    std::optional<std::string> field, equals;
    /// Or a counter of statsd, Prometheus or the recorder, from any such source of the service.
    std::vector<MetricSelector> metric;
    [[nodiscard]] bool has_source() const { return field.has_value() || !metric.empty(); }
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
  /// A package's version as the package manager has it: the service's version put between the two.
  struct PackageVersion {
    std::string before, after;
  };
  struct Flag {
    std::filesystem::path file;  ///< flagd's JSON: { "flags": { NAME: { … } } }
    std::string name;
    std::string variant;  ///< made the default variant; empty: the flag's state becomes DISABLED
  };
  struct Rollback {
    std::string action;  ///< "release_symlink", "package", "flag" or "command"
    std::filesystem::path releases;  ///< release_symlink: the folder the link's target lies in
    std::filesystem::path link;      ///< release_symlink: default: the version symlink
    /// Always there for release_symlink and package: switched files alone change no running process.
    std::variant<std::monostate, RestartUnit, RestartCommand, RestartSignal> restart;
    std::vector<std::string> argv;      ///< `command`: absolute program and its arguments
    std::vector<std::string> packages;  ///< `package`: all of them go to the same version
    PackageVersion package_version;
    Flag flag;
    Healthy healthy;
    double timeout_seconds = 120;
  };
  std::vector<Rollback> rollback;  ///< tried in order
  /// TCP ports it listens on. Needed where its sockets cannot be told by a control group.
  std::vector<uint16_t> ports;
  /// Configuration files, whose hashes are told: absolute, `*` and `?` stand for parts of a name.
  std::vector<std::string> config;

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
