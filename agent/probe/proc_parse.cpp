#include "agent/probe/proc_parse.h"

#include <array>
#include <charconv>

namespace serin::agent {
namespace {

constexpr std::string_view kBlank = " \t\n";

/// Cuts the next blank-separated word off `text`; empty at the end.
std::string_view next_word(std::string_view& text) {
  size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) {
    text = {};
    return {};
  }
  size_t end = text.find_first_of(kBlank, begin);
  std::string_view word = text.substr(begin, end == std::string_view::npos ? end : end - begin);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  return word;
}

/// The line that begins with `key`, without the key.
std::optional<std::string_view> line_after(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.starts_with(key)) return line.substr(key.size());
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<ProcStat> parse_stat(std::string_view text) {
  size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(name_end + 1);
  std::string_view state = next_word(rest);
  if (state.size() != 1) return std::nullopt;
  // proc(5) numbers the fields from 1; `state` is field 3, the last one we need is 22.
  std::array<std::optional<uint64_t>, 23> field;
  for (size_t i = 4; i < field.size(); ++i) field[i] = parse_number(next_word(rest));
  for (size_t needed : {4U, 10U, 12U, 14U, 15U, 20U, 22U})
    if (!field[needed]) return std::nullopt;
  return ProcStat{.state = state[0],
                  .parent = static_cast<int32_t>(*field[4]),
                  .minor_faults = *field[10],
                  .major_faults = *field[12],
                  .cpu_ticks = *field[14] + *field[15],
                  .threads = *field[20],
                  .start_ticks = *field[22]};
}

std::optional<uint64_t> parse_statm_resident(std::string_view text) {
  next_word(text);
  return parse_number(next_word(text));
}

std::optional<uint64_t> parse_keyed(std::string_view text, std::string_view key) {
  auto line = line_after(text, key);
  if (!line || !line->starts_with(':')) return std::nullopt;
  line->remove_prefix(1);
  return parse_number(next_word(*line));
}

std::optional<SchedStat> parse_schedstat(std::string_view text) {
  const auto on_cpu_ns = parse_number(next_word(text)), wait_ns = parse_number(next_word(text)),
             runs = parse_number(next_word(text));
  if (!on_cpu_ns || !wait_ns || !runs) return std::nullopt;
  return SchedStat{.wait_ns = *wait_ns, .runs = *runs};
}

std::optional<uint64_t> parse_open_files_limit(std::string_view text) {
  auto line = line_after(text, "Max open files");
  if (!line) return std::nullopt;
  return parse_number(next_word(*line));
}

}  // namespace serin::agent
