#include "agent/rollback/json_span.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace serin::helper {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

/// One past the closing quote of the string that begins at `at`.
size_t end_of_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

/// One past the value that begins at `at`; nesting is counted, so that its depth costs nothing.
size_t end_of_value(std::string_view text, size_t at) {
  size_t depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at) - 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      --depth;
    } else if (depth == 0) {
      return std::min(text.find_first_of(",]} \t\r\n", at), text.size());
    } else {
      continue;
    }
    if (depth == 0) return at + 1;
  }
  return text.size();
}

bool is_called(std::string_view quoted, std::string_view name) {
  const auto parsed = nlohmann::json::parse(quoted, nullptr, false);
  return parsed.is_string() && parsed.get_ref<const std::string&>() == name;
}

}  // namespace

size_t json_start(std::string_view text, size_t at) {
  return std::min(text.find_first_not_of(kBlanks, at), text.size());
}

std::optional<JsonSpan> json_member(std::string_view text, size_t object, std::string_view name) {
  if (object >= text.size() || text[object] != '{') return std::nullopt;
  std::optional<JsonSpan> found;
  size_t at = json_start(text, object + 1);
  while (at < text.size() && text[at] == '"') {
    const size_t key_end = end_of_string(text, at);
    const size_t value = json_start(text, json_start(text, key_end) + 1);
    const size_t value_end = end_of_value(text, value);
    if (is_called(text.substr(at, key_end - at), name)) found = JsonSpan{value, value_end};
    at = json_start(text, value_end);
    if (at < text.size() && text[at] == ',') at = json_start(text, at + 1);
  }
  return found;
}

}  // namespace serin::helper
