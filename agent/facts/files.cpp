#include "agent/facts/files.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>

#include "common/file.h"
#include "common/ids.h"
#include "schema/fact.h"

namespace serin::agent {
namespace {

constexpr size_t kMostFileBytes = size_t{64} * 1024;
constexpr size_t kHashDigits = 16;

/// Those of a service: what it may open, map, lock, start. The others (nice, cpu time, messages)
/// are the same everywhere, or nobody's trouble.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kLimits = {{
    {"Max open files", "limits.nofile"},
    {"Max processes", "limits.nproc"},
    {"Max locked memory", "limits.memlock"},
    {"Max core file size", "limits.core"},
    {"Max stack size", "limits.stack"},
    {"Max address space", "limits.as"},
    {"Max data size", "limits.data"},
    {"Max file size", "limits.fsize"},
    {"Max pending signals", "limits.sigpending"},
}};

std::string_view next_line(std::string_view& text) {
  const auto line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

std::string_view next_word(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  const size_t end = std::min(line.find_first_of(" \t\n", begin), line.size());
  const auto word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

std::optional<uint64_t> number_in(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_limit(std::string_view word) {
  return word == "unlimited" || number_in(word);
}

/// What follows `key` and a colon at the start of a line; empty when it is not there.
std::string keyed(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = next_line(text);
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    const size_t colon = line.find(':');
    if (colon == line.npos || line.find_first_not_of(" \t") != colon) continue;
    return in_one_line(line.substr(colon + 1));
  }
  return {};
}

}  // namespace

FactPairs parse_limits(std::string_view text) {
  FactPairs facts;
  while (!text.empty()) {
    std::string_view line = next_line(text);
    for (const auto& [title, name] : kLimits) {
      if (!line.starts_with(title)) continue;
      line.remove_prefix(title.size());
      const auto soft = next_word(line), hard = next_word(line);
      if (is_limit(soft) && is_limit(hard))
        facts.emplace_back(name, fmt::format("{}/{}", soft, hard));
      break;
    }
  }
  return facts;
}

std::string parse_cpu_max(std::string_view text) {
  const auto quota = next_word(text), period = next_word(text);
  if (quota == "max") return "none";
  const auto microseconds = number_in(quota), of = number_in(period);
  if (!microseconds || !of || *of == 0) return {};
  return fmt::format("{:.2f} CPUs", static_cast<double>(*microseconds) / static_cast<double>(*of));
}

std::string parse_most(std::string_view text) {
  const auto word = next_word(text);
  if (word == "max") return "none";
  return number_in(word) ? std::string(word) : std::string{};
}

std::string parse_unified_group(std::string_view text) {
  while (!text.empty()) {
    const auto line = next_line(text);
    if (line.starts_with("0::/") && line.find("/..") == line.npos)
      return std::string(line.substr(3));
  }
  return {};
}

std::string parse_cpu_model(std::string_view text) {
  if (auto name = keyed(text, "model name"); !name.empty()) return name;
  const auto maker = keyed(text, "CPU implementer"), part = keyed(text, "CPU part");
  if (!maker.empty() && !part.empty())
    return fmt::format("implementer {} part {} variant {}", maker, part,
                       keyed(text, "CPU variant"));
  if (auto name = keyed(text, "cpu"); !name.empty()) return name;  // POWER
  return keyed(text, "processor");                                 // s390x
}

std::string parse_memory_total(std::string_view text) {
  const std::string total = keyed(text, "MemTotal");
  std::string_view rest = total;
  const auto kib = number_in(next_word(rest));
  if (!kib) return {};
  constexpr double kPerGib = 1024.0 * 1024.0;
  return fmt::format("{:.1f} GiB", static_cast<double>(*kib) / kPerGib);
}

std::string parse_chosen(std::string_view text) {
  const size_t open = text.find('[');
  const size_t close = text.find(']', open == text.npos ? 0 : open);
  if (open == text.npos || close == text.npos) return {};
  return std::string(text.substr(open + 1, close - open - 1));
}

std::string in_one_line(std::string_view text) {
  std::string line;
  for (auto word = next_word(text); !word.empty() || !text.empty(); word = next_word(text)) {
    if (!word.empty()) line += (line.empty() ? "" : " ") + std::string(word);
    if (!text.empty() && text.front() == '\n') text.remove_prefix(1);
  }
  return line;
}

std::string short_hash(std::string_view data) {
  const auto digest = sha256({reinterpret_cast<const uint8_t*>(data.data()), data.size()});
  return hex(digest).substr(0, kHashDigits);
}

void add_file_fact(FactPairs& facts, std::string name, const std::filesystem::path& file,
                   std::string (*parse)(std::string_view)) {
  const auto text = read_file(file, kMostFileBytes);
  std::string value = text ? parse(*text) : std::string{};
  if (value.empty()) {
    value = fact::absent(text ? fmt::format("{} is not understood", file.native())
                              : text.error().message);
  }
  facts.emplace_back(std::move(name), std::move(value));
}

}  // namespace serin::agent
