#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace serin::helper {

/// Where a value stands in a JSON text.
struct JsonSpan {
  size_t begin = 0, end = 0;
};

/// Finds the value of a member of the object that begins at `object`, so that it can be replaced
/// and every other byte stays. Of two members with one name the last counts. `text` must be JSON
/// that a parser has accepted; nullopt where no object begins there, or it has no such member.
std::optional<JsonSpan> json_member(std::string_view text, size_t object, std::string_view name);

/// The first byte at or after `at` that is no white space.
size_t json_start(std::string_view text, size_t at = 0);

}  // namespace serin::helper
