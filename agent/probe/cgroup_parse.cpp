#include "agent/probe/cgroup_parse.h"

#include "agent/probe/proc_parse.h"
#include "agent/probe/text_lines.h"

namespace serin::agent {
namespace {

/// Cuts `MAJOR:MINOR` and the blank behind it off; false where the line begins otherwise.
bool cut_device(std::string_view& line) {
  const size_t colon = line.find(':');
  const size_t end = std::min(line.find(' '), line.size());
  if (colon == std::string_view::npos || colon > end) return false;
  if (!parse_number(line.substr(0, colon)) ||
      !parse_number(line.substr(colon + 1, end - colon - 1)))
    return false;
  line.remove_prefix(std::min(end + 1, line.size()));
  return true;
}

void add(std::optional<uint64_t>& sum, uint64_t value) {
  sum = sum.value_or(0) + value;
}

/// The number behind `key=` among the words of a line.
std::optional<uint64_t> value_in(std::string_view line, std::string_view key) {
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (!word.starts_with(key) || word.size() <= key.size() || word[key.size()] != '=') continue;
    return parse_number(word.substr(key.size() + 1));
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> parse_flat_keyed(std::string_view text, std::string_view key) {
  std::optional<uint64_t> value;
  each_line(text, [&](std::string_view line) {
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      value = parse_number(line.substr(key.size() + 1));
  });
  return value;
}

std::optional<uint64_t> parse_nested_sum(std::string_view text, std::string_view key) {
  std::optional<uint64_t> sum;
  each_line(text, [&](std::string_view line) {
    if (auto value = value_in(line, key)) add(sum, *value);
  });
  return sum;
}

std::optional<uint64_t> parse_io_stat(std::string_view text, std::string_view key) {
  bool as_documented = true;
  each_line(text, [&](std::string_view line) {
    if (!cut_device(line)) as_documented = false;
  });
  if (!as_documented) return std::nullopt;
  return parse_nested_sum(text, key).value_or(0);
}

std::optional<uint64_t> parse_blkio_reads(std::string_view text) {
  constexpr std::string_view kRead = "Read ";
  std::optional<uint64_t> sum;
  each_line(text, [&](std::string_view line) {
    if (!cut_device(line) || !line.starts_with(kRead)) return;
    if (auto value = parse_number(line.substr(kRead.size()))) add(sum, *value);
  });
  return sum;
}

std::optional<uint64_t> parse_pressure_us(std::string_view text) {
  std::optional<uint64_t> total;
  each_line(text, [&](std::string_view line) {
    if (line.starts_with("some ")) total = value_in(line, "total");
  });
  return total;
}

}  // namespace serin::agent
