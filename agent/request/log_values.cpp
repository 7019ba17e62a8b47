#include "agent/request/log_values.h"

namespace serin::agent {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::optional<uint16_t> parse_status(std::string_view text) {
  if (text.size() != 3 || !is_digit(text[0]) || !is_digit(text[1]) || !is_digit(text[2]))
    return std::nullopt;
  int value = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
  if (value != 0 && (value < 100 || value > 599)) return std::nullopt;
  return static_cast<uint16_t>(value);
}

std::optional<double> parse_amount(std::string_view text) {
  // By hand: access logs write plain decimals, and this is the hottest conversion of the agent.
  uint64_t digits = 0;
  double scale = 1;
  bool seen = false;
  bool fraction = false;
  for (char c : text) {
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (is_digit(c)) {
      seen = true;
      if (digits > 1'000'000'000'000'000U) {
        if (!fraction) return std::nullopt;
        continue;  // beyond a double's precision
      }
      digits = digits * 10 + static_cast<uint64_t>(c - '0');
      if (fraction) scale *= 10;
    } else {
      return std::nullopt;
    }
  }
  if (!seen) return std::nullopt;
  return static_cast<double>(digits) / scale;
}

std::optional<double> parse_seconds(std::string_view text) {
  auto value = parse_amount(text);
  return value && *value <= kMostLogSeconds ? value : std::nullopt;
}

std::optional<double> parse_upstream_seconds(std::string_view text) {
  std::optional<double> sum;
  while (!text.empty()) {
    size_t end = text.find_first_of(",: ");
    std::string_view part = text.substr(0, end);
    if (!part.empty() && part != "-") {
      auto seconds = parse_seconds(part);
      if (!seconds) return std::nullopt;
      sum = sum.value_or(0) + *seconds;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return sum;
}

}  // namespace serin::agent
