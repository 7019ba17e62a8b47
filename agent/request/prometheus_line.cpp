#include "agent/request/prometheus_line.h"

#include <charconv>

namespace serin::agent {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == ':';
}

std::string_view without_blanks(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  return text;
}

/// The closing quote of a value that begins at `at`; npos without one.
size_t end_of_value(std::string_view text, size_t at) {
  for (; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      return at;
  }
  return std::string_view::npos;
}

/// Takes the next `key="value"` from the front; false at the end, or where there is none.
bool next_label(std::string_view& rest, std::string_view& key, std::string_view& value) {
  rest = without_blanks(rest);
  if (rest.starts_with(',')) rest = without_blanks(rest.substr(1));
  size_t end = 0;
  while (end < rest.size() && is_name_char(rest[end])) ++end;
  key = rest.substr(0, end);
  rest = without_blanks(rest.substr(end));
  if (key.empty() || !rest.starts_with('=')) return false;
  rest = without_blanks(rest.substr(1));
  size_t quote = rest.starts_with('"') ? end_of_value(rest, 1) : std::string_view::npos;
  if (quote == std::string_view::npos) return false;
  value = rest.substr(1, quote - 1);
  rest.remove_prefix(quote + 1);
  return true;
}

/// Takes `{…}` from the front; false when it is not whole.
bool take_labels(std::string_view& rest, std::string_view& labels) {
  std::string_view inside = rest.substr(1);
  std::string_view left = inside, key, value;
  while (next_label(left, key, value)) {
  }
  if (left.starts_with(',')) left = without_blanks(left.substr(1));
  if (!left.starts_with('}') || !key.empty()) return false;
  labels = inside.substr(0, inside.size() - left.size());
  rest = left.substr(1);
  return true;
}

std::optional<double> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string_view PrometheusLine::label(std::string_view wanted) const {
  std::string_view rest = labels, key, text;
  while (next_label(rest, key, text))
    if (key == wanted) return text;
  return {};
}

std::optional<PrometheusLine> parse_prometheus(std::string_view line) {
  line = without_blanks(line);
  if (line.ends_with('\r')) line.remove_suffix(1);
  size_t end = 0;
  while (end < line.size() && is_name_char(line[end])) ++end;
  if (end == 0 || (line[0] >= '0' && line[0] <= '9')) return std::nullopt;
  PrometheusLine sample{.name = line.substr(0, end), .labels = {}};
  std::string_view rest = without_blanks(line.substr(end));
  bool touches = rest.size() == line.size() - end;
  if (rest.starts_with('{')) {
    if (!take_labels(rest, sample.labels)) return std::nullopt;
  } else if (touches) {
    return std::nullopt;
  }
  rest = without_blanks(rest);
  auto value = number(rest.substr(0, rest.find_first_of(" \t")));
  if (!value) return std::nullopt;
  sample.value = *value;
  return sample;  // a time or an exemplar behind it is nothing to us
}

}  // namespace serin::agent
