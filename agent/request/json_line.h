#pragma once

#include <functional>
#include <string_view>

namespace serin::agent {

/// Walks the top-level members of a JSON object that stands on one line. A string value is handed
/// over as the raw text between its quotes, numbers and literals as written; nested values as empty
/// text. Returns false when the line is not one object, or as soon as `member` does. No allocation,
/// no recursion.
bool for_each_json_member(
    std::string_view line,
    const std::function<bool(std::string_view key, std::string_view value)>& member);

}  // namespace serin::agent
