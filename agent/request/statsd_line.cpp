#include "agent/request/statsd_line.h"

#include <charconv>
#include <cmath>

namespace serin::agent {
namespace {

constexpr size_t kMostNameBytes = 512;
constexpr double kLeastRate = 1e-6;  // one of a million: nobody samples thinner
constexpr double kMostValue = 1e15;

std::string_view next_part(std::string_view& rest, char separator) {
  size_t end = rest.find(separator);
  std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return part;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::isfinite(value) && std::abs(value) <= kMostValue ? std::optional(value)
                                                               : std::nullopt;
}

std::optional<StatsdLine::Type> type_of(std::string_view text) {
  if (text == "c") return StatsdLine::Type::counter;
  if (text == "ms" || text == "h" || text == "d") return StatsdLine::Type::timer;
  if (text == "g") return StatsdLine::Type::gauge;
  if (text == "s") return StatsdLine::Type::set;
  return std::nullopt;
}

}  // namespace

std::string_view StatsdLine::tag(std::string_view key) const {
  for (std::string_view rest = tags; !rest.empty();) {
    std::string_view one = next_part(rest, ',');
    if (one.starts_with(key) && one.size() > key.size() && one[key.size()] == ':')
      return one.substr(key.size() + 1);
  }
  return {};
}

std::optional<StatsdLine> parse_statsd(std::string_view line) {
  size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos || colon > kMostNameBytes) return std::nullopt;
  StatsdLine parsed{.name = line.substr(0, colon), .values = {}, .tags = {}};
  std::string_view rest = line.substr(colon + 1);
  parsed.values = next_part(rest, '|');
  auto type = type_of(next_part(rest, '|'));
  if (!type || parsed.values.empty()) return std::nullopt;
  parsed.type = *type;
  while (!rest.empty()) {
    std::string_view part = next_part(rest, '|');
    if (part.starts_with('#')) parsed.tags = part.substr(1);
    if (!part.starts_with('@')) continue;  // a container's id, a time: nothing to us
    auto rate = number(part.substr(1));
    if (!rate || *rate < kLeastRate || *rate > 1) return std::nullopt;
    parsed.rate = *rate;
  }
  return parsed;
}

std::optional<StatsdValue> next_value(std::string_view& values) {
  std::string_view text = next_part(values, ':');
  bool is_change = text.starts_with('+') || text.starts_with('-');
  if (text.starts_with('+')) text.remove_prefix(1);
  auto value = number(text);
  if (!value) return std::nullopt;
  return StatsdValue{.value = *value, .is_change = is_change};
}

bool is_other_dogstatsd(std::string_view line) {
  return line.starts_with("_e{") || line.starts_with("_sc|");
}

}  // namespace serin::agent
