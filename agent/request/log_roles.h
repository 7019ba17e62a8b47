#pragma once

#include <cstdint>
#include <string_view>

#include "agent/request/log_format.h"

namespace serin::agent {

/// nginx's name of a variable, or one of ours for what other programs write: the units
/// `$request_time_ms` and `$request_time_us`; the moment a request began, `$start_local` (as
/// `$time_local`), `$start_iso8601`, `$start_haproxy` (20/Nov/2026:12:51:05.123 in the host's
/// zone); how it ended, `$haproxy_state` (%tsc) and `$envoy_flags`.
LogRole role_of(std::string_view name);

[[nodiscard]] bool is_latency(LogRole role);
[[nodiscard]] bool is_time(LogRole role);

/// Reads a variable's text into its field; false when it cannot be that variable's.
bool take_role(LogRole role, std::string_view value, LogClock& clock, LogFields& fields);

}  // namespace serin::agent
