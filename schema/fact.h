#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "schema/text.h"

// What both ends agree on about events of kind `facts`: properties of a host, of a service's
// process and of what surrounds it, by dotted names in lower case (`kernel.release`,
// `limits.nofile`). An event names the facts that changed; one with the step kAll begins anew: what
// was known before of this service on this host no longer holds. An empty value: the fact no longer
// holds. `oom_kills` is no fact but news (aggregator/core/state.h, tells_of_oom).

namespace serin::fact {

/// Facts of one service on one host, at most; a value's length.
inline constexpr size_t kMost = 256;
inline constexpr size_t kValueBytes = 512;

inline constexpr std::string_view kAll = "all";  ///< Event::step

inline constexpr std::string_view kAbsent = "absent: ";

/// The value of a fact that could not be read.
inline std::string absent(std::string_view reason) {
  return plain_text(std::string(kAbsent) + std::string(reason), kValueBytes);
}
inline bool is_absent(std::string_view value) {
  return value.starts_with(kAbsent);
}
/// For names made of what stands on a host (a path, a library): what could not travel is replaced.
inline std::string name_of(std::string_view prefix, std::string_view rest) {
  constexpr size_t kNameBytes = 128;  // limits::kNameBytes
  return plain_text(std::string(prefix) + std::string(rest), kNameBytes);
}

}  // namespace serin::fact
