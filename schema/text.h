#pragma once

#include <string>
#include <string_view>

namespace serin {

/// UTF-8 without control characters: safe to show in a terminal, and in JSON. May be empty.
bool is_plain_text(std::string_view text);

/// The same text made plain: each control character becomes a blank, each byte that is not UTF-8 a
/// `?`; cut at a character's border to at most `most_bytes`.
std::string plain_text(std::string_view text, size_t most_bytes);

}  // namespace serin
