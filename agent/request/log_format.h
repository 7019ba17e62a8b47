#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace serin::agent {

/// One line of an access log, as far as Serin cares. The views point into the line (or, for a JSON
/// value, its raw text between the quotes) and live as long as it does.
struct LogFields {
  std::optional<uint16_t> status;  ///< absent: the log says `-`
  std::optional<double> seconds;   ///< how long the request took
  std::optional<int64_t> end_us;   ///< when it was logged, wall clock
  /// `end_us` is a whole second: the true end lies up to a second later.
  bool end_is_coarse = false;
  std::optional<int64_t> start_us;  ///< when it began, where the log says that instead
  bool start_is_coarse = false;
  std::optional<uint64_t> body_bytes;  ///< of the answer, without its head
  bool client_left = false;            ///< the client did not wait for the answer
  std::string_view request;            ///< `GET /path?query HTTP/1.1`
  std::string_view request_uri;        ///< `/path?query`, where the log holds it by itself
  std::string_view version;            ///< the configured version field; empty when absent
  std::vector<std::string_view>
      wanted;  ///< the fields asked for, in the order asked; empty when absent
};

/// `/path` out of `GET /path?query HTTP/1.1`; with the query for `$request_uri`. Empty when it is
/// not a request line.
std::string_view uri_of(std::string_view request, bool with_query);

/// Turns the wall-clock texts of access logs into µs. Remembers the last text, since lines of one
/// second repeat it.
class LogClock {
 public:
  /// `20/Nov/2026:12:51:05 +0000`
  std::optional<int64_t> time_local(std::string_view text);
  /// `2026-11-20T12:51:05+00:00`, also with a fraction and with `Z`; `coarse` is set when there is
  /// no fraction.
  static std::optional<int64_t> iso8601(std::string_view text, bool& coarse);
  /// `1700000000.123`
  static std::optional<int64_t> msec(std::string_view text);
  /// `20/Nov/2026:12:51:05.123` in the host's own zone, as HAProxy writes it.
  std::optional<int64_t> haproxy(std::string_view text);

 private:
  std::string last_text_, last_local_;
  int64_t last_us_ = 0, last_local_us_ = 0;
};

/// What a variable of a format means to us.
enum class LogRole : uint8_t {
  ignored,
  status,
  request_time,
  request_ms,
  request_us,
  upstream_time,
  time_local,
  time_iso8601,
  msec,
  start_local,
  start_iso8601,
  start_haproxy,
  request,
  request_uri,
  body_bytes,
  haproxy_state,
  envoy_flags,
};

/// A compiled nginx `log_format` or the name of a preset (log_presets.h). Text that is a JSON
/// object whose values are variables, as `{"code":"$status"}`, is looked up by key, in whatever
/// order a line holds them. Lines may stand behind a syslog header. Compiled once, parses without
/// regular expressions or allocation. Not for two threads.
class LogFormat {
 public:
  struct Wanted {
    std::optional<std::string> version_field;  ///< `$name` or `name`
    std::vector<std::string> fields;           ///< of business counters
  };
  /// Errors say what is wrong with the text and where: no $status, two variables that touch, an
  /// unknown escape.
  static Result<LogFormat> compile(std::string_view text, const Wanted& wanted);

  /// False: the line does not have this format.
  bool parse(std::string_view line, LogFields& fields);

  [[nodiscard]] bool has_latency() const { return has_latency_; }
  [[nodiscard]] bool has_time() const { return has_time_; }
  /// Can an answer without content be told from one with some?
  [[nodiscard]] bool has_body_bytes() const { return has_body_bytes_; }

 private:
  /// A variable, and the literal that ends it (empty: the line's end).
  struct Segment {
    std::string name;  ///< the variable's
    std::string key;   ///< in JSON
    LogRole role = LogRole::ignored;
    bool is_version = false;
    std::vector<size_t> wanted;  ///< indices into LogFields::wanted
    std::string until;
  };
  enum class Derived : uint8_t { no, uri, request_uri };

  Result<void> compile_text(std::string_view text);
  bool compile_json(std::string_view text);
  bool parse_bare(std::string_view line, LogFields& fields);
  Result<void> bind(const Wanted& wanted);
  bool parse_text(std::string_view line, LogFields& fields);
  bool parse_json(std::string_view line, LogFields& fields);
  bool take(const Segment& segment, std::string_view value, LogFields& fields);
  void derive(LogFields& fields) const;

  bool json_ = false;
  bool has_latency_ = false;
  bool has_time_ = false;
  bool has_body_bytes_ = false;
  bool behind_header_ = false;  ///< as the line before was
  std::string lead_;            ///< the literal before the first variable
  std::vector<Segment> segments_;
  std::vector<Derived>
      derived_;  ///< per wanted field: taken from the request when the format does not hold it
  LogClock clock_;
};

}  // namespace serin::agent
