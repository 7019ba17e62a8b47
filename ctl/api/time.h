#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace serin::ctl {

/// The inverse of the aggregator's rendering: "2026-11-20T12:30:00.250000Z" as microseconds since
/// 1970. A fraction may be absent or have up to six digits; only UTC.
std::optional<int64_t> time_from_rfc3339(std::string_view text);

}  // namespace serin::ctl
