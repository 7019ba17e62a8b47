#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace serin {

inline constexpr std::string_view kFlagReason = "flag ";

/// The reason of a step `verified` where no version was put back: a feature flag was turned off,
/// and the version runs on without it.
inline std::string flag_off_reason(std::string_view flag, std::string_view version) {
  return fmt::format("{} is off, {} runs on", flag, version);
}

/// Whether the reason of a step `verified` is such a one.
inline bool tells_of_flag(std::string_view reason) {
  return reason.starts_with(kFlagReason);
}

}  // namespace serin
