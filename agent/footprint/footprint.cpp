#include "agent/footprint/footprint.h"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "common/file.h"

namespace serin::agent {
namespace {

constexpr uint64_t kAfterStartMs = 10'000;  // connected, and every service seen
constexpr uint64_t kEveryMs = 600'000;      // a reconnect or a release runs code that then rests
constexpr size_t kMostSmapsBytes = size_t{1}
                                   << 20;  // about 700 bytes for each of some 100 mappings

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

bool take_hex(std::string_view& text, uintptr_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return error == std::errc{};
}

/// `55e0-55f0 r-xp 00001000 fe:00 1234   /usr/bin/serin-agent`: nothing for other lines, and for
/// what can be written or shows no file.
std::optional<CodeMapping> code_of(std::string_view line) {
  CodeMapping mapping;
  if (!take_hex(line, mapping.begin) || !line.starts_with('-')) return std::nullopt;
  line.remove_prefix(1);
  if (!take_hex(line, mapping.end) || !line.starts_with(" r-") || !line.contains('/'))
    return std::nullopt;
  return line.substr(4, 1) == "p" ? std::optional(mapping) : std::nullopt;
}

}  // namespace

std::vector<CodeMapping> code_mappings(std::string_view smaps) {
  std::vector<CodeMapping> found;
  std::optional<CodeMapping> current;
  while (!smaps.empty()) {
    const std::string_view line = take_line(smaps);
    if (line.starts_with("Anonymous:")) {
      if (current && line.ends_with(" 0 kB")) found.push_back(*current);
    } else if (const size_t space = line.find(' '); line.substr(0, space).contains('-')) {
      current = code_of(line);
    }
  }
  return found;
}

void Footprint::share_one_heap() {
  ::mallopt(M_ARENA_MAX, 1);
}

Footprint::Footprint(uv_loop_t* loop) : timer_(loop, &give_back) {
  timer_.start(kAfterStartMs, kEveryMs);
}

void Footprint::give_back() {
  if (const auto smaps = read_file("/proc/self/smaps", kMostSmapsBytes)) {
    for (const CodeMapping& mapping : code_mappings(*smaps))
      ::madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED);
  }
  ::malloc_trim(0);
}

}  // namespace serin::agent
