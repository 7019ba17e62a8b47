#include "common/duration.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace serin {
namespace {

constexpr std::array<std::pair<std::string_view, double>, 5> kUnits = {
    {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};

/// Ten years: whoever writes more means something else.
constexpr double kLongestSeconds = 10 * 365.25 * 86400;

/// A plain decimal number at the front, taken off: no sign, no exponent, no "inf".
std::optional<double> take_number(std::string_view& text) {
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789."));
  double value = 0;
  const auto [end, error] =
      std::from_chars(digits.begin(), digits.end(), value, std::chars_format::fixed);
  if (error != std::errc() || end != digits.end()) return std::nullopt;
  text.remove_prefix(digits.size());
  return value;
}

}  // namespace

Result<double> parse_duration(std::string_view text) {
  std::string_view rest = text;
  const auto number = take_number(rest);
  for (const auto& [unit, seconds] : kUnits) {
    if (number && rest == unit && *number * seconds <= kLongestSeconds) return *number * seconds;
  }
  return fail(fmt::format(
      "must be a duration such as \"250ms\", \"45s\", \"10m\", \"2h\" or \"1d\", not \"{:.40}\"",
      text));
}

Result<double> parse_percent(std::string_view text) {
  std::string_view rest = text;
  const auto number = take_number(rest);
  if (number && rest == "%" && *number <= 100) return *number / 100;
  return fail(
      fmt::format("must be a share such as \"10%\", from 0% to 100%, not \"{:.40}\"", text));
}

}  // namespace serin
