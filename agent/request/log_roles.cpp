#include "agent/request/log_roles.h"

#include <array>
#include <charconv>
#include <utility>

#include "agent/request/log_values.h"

namespace serin::agent {
namespace {

constexpr std::array<std::pair<std::string_view, LogRole>, 17> kNames = {{
    {"status", LogRole::status},
    {"request_time", LogRole::request_time},
    {"request_time_ms", LogRole::request_ms},
    {"request_time_us", LogRole::request_us},
    {"upstream_response_time", LogRole::upstream_time},
    {"time_local", LogRole::time_local},
    {"time_iso8601", LogRole::time_iso8601},
    {"time_iso8601_ms", LogRole::time_iso8601},
    {"msec", LogRole::msec},
    {"start_local", LogRole::start_local},
    {"start_iso8601", LogRole::start_iso8601},
    {"start_haproxy", LogRole::start_haproxy},
    {"request", LogRole::request},
    {"request_uri", LogRole::request_uri},
    {"body_bytes_sent", LogRole::body_bytes},
    {"haproxy_state", LogRole::haproxy_state},
    {"envoy_flags", LogRole::envoy_flags},
}};

bool take_seconds(std::string_view value, double unit, LogFields& fields) {
  auto amount = parse_amount(value);
  if (!amount || *amount * unit > kMostLogSeconds) return false;
  fields.seconds = *amount * unit;
  return true;
}

bool take_status(std::string_view value, LogFields& fields) {
  if (value == "-1" || value == "0") {  // HAProxy and Envoy: no answer
    fields.status = 0;
    return true;
  }
  fields.status = parse_status(value);
  return fields.status.has_value();
}

bool take_bytes(std::string_view value, LogFields& fields) {
  uint64_t bytes = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
  if (error != std::errc{} || end != value.data() + value.size()) return false;
  fields.body_bytes = bytes;
  return true;
}

bool take_end(std::optional<int64_t> at, bool coarse, LogFields& fields) {
  if (!at) return false;
  if (fields.end_us && !fields.end_is_coarse) return true;  // a finer one was there already
  fields.end_us = at;
  fields.end_is_coarse = coarse;
  return true;
}

bool take_start(std::optional<int64_t> at, bool coarse, LogFields& fields) {
  if (!at) return false;
  fields.start_us = at;
  fields.start_is_coarse = coarse;
  return true;
}

}  // namespace

LogRole role_of(std::string_view name) {
  for (const auto& [known, role] : kNames)
    if (known == name) return role;
  return LogRole::ignored;
}

bool is_latency(LogRole role) {
  return role == LogRole::request_time || role == LogRole::request_ms ||
         role == LogRole::request_us || role == LogRole::upstream_time;
}

bool is_time(LogRole role) {
  return role == LogRole::time_local || role == LogRole::time_iso8601 || role == LogRole::msec ||
         role == LogRole::start_local || role == LogRole::start_iso8601 ||
         role == LogRole::start_haproxy;
}

bool take_role(LogRole role, std::string_view value, LogClock& clock, LogFields& fields) {
  bool none = value == "-" || value.empty();
  bool coarse = false;
  std::optional<int64_t> at;
  switch (role) {
    case LogRole::ignored:
      return true;
    case LogRole::request:
      fields.request = value;
      return true;
    case LogRole::request_uri:
      fields.request_uri = value;
      return true;
    case LogRole::status:
      return none || take_status(value, fields);
    case LogRole::request_time:
      return none || take_seconds(value, 1, fields);
    case LogRole::request_ms:
      // HAProxy's "at least 12" is `+12`, its "never came to that" `-1`.
      if (value.starts_with('+')) value.remove_prefix(1);
      return none || value == "-1" || take_seconds(value, 1e-3, fields);
    case LogRole::request_us:
      return none || take_seconds(value, 1e-6, fields);
    case LogRole::upstream_time:
      if (!fields.seconds) fields.seconds = parse_upstream_seconds(value);
      return true;
    case LogRole::body_bytes:
      if (none) value = "0";  // Apache's %b
      return take_bytes(value, fields);
    case LogRole::haproxy_state:
      fields.client_left = fields.client_left || value.starts_with('C');
      return true;
    case LogRole::envoy_flags:
      fields.client_left = fields.client_left || value == "DC";
      return true;
    case LogRole::time_local:
      return none || take_end(clock.time_local(value), true, fields);
    case LogRole::time_iso8601:
      at = LogClock::iso8601(value, coarse);
      return none || take_end(at, coarse, fields);
    case LogRole::msec:
      return none || take_end(LogClock::msec(value), false, fields);
    case LogRole::start_local:
      return none || take_start(clock.time_local(value), true, fields);
    case LogRole::start_iso8601:
      at = LogClock::iso8601(value, coarse);
      return none || take_start(at, coarse, fields);
    case LogRole::start_haproxy:
      return none || take_start(clock.haproxy(value), false, fields);
  }
  return true;
}

}  // namespace serin::agent
