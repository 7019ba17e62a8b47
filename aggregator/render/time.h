#pragma once

#include <cstdint>
#include <string>

namespace serin::render {

/// Microseconds since 1970 as RFC 3339 in UTC: "2026-11-20T12:30:00.250000Z". Times outside the
/// years 1970-9999 are clamped to them.
std::string rfc3339(int64_t time_us);

}  // namespace serin::render
