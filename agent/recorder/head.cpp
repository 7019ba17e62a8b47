#include "agent/recorder/head.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "common/ids.h"

namespace serin::agent {
namespace {

constexpr size_t kPlaceOfVersion = offsetof(serin_recorder_header, version);

/// The text up to its first NUL; nullopt where there is none.
template <size_t N>
std::optional<std::string> text_of(const char (&field)[N]) {
  const void* end = std::memchr(field, 0, N);
  if (end == nullptr) return std::nullopt;
  return std::string(field, static_cast<const char*>(end));
}

std::optional<std::string> name_of(const char (&field)[SERIN_RECORDER_NAME_BYTES]) {
  auto text = text_of(field);
  return text && is_service_name(*text) ? text : std::nullopt;
}

Result<void> check_buckets(const serin_recorder_header& raw) {
  if (raw.header_bytes == SERIN_RECORDER_HEADER_BYTES && raw.scale == SERIN_RECORDER_SCALE &&
      raw.first_bucket == SERIN_RECORDER_FIRST_BUCKET && raw.columns == SERIN_RECORDER_COLUMNS &&
      raw.outcomes == SERIN_OUTCOMES)
    return {};
  return fail("its buckets are not those of this version");
}

Result<void> check_size(const serin_recorder_header& raw) {
  if (raw.shards < 1 || raw.shards > SERIN_RECORDER_MOST_SHARDS || raw.classes < 1 ||
      raw.classes > SERIN_RECORDER_MOST_CLASSES || raw.counters > SERIN_RECORDER_MOST_COUNTERS)
    return fail(fmt::format("{} shards, {} classes and {} counters: that is none, or too many",
                            raw.shards, raw.classes, raw.counters));
  constexpr uint64_t kMostPadding = 16;
  uint64_t used =
      uint64_t{raw.classes} * SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS + raw.counters + 1;
  if (raw.shard_cells < used || raw.shard_cells >= used + kMostPadding)
    return fail(fmt::format("a shard of {} cells, where {} are needed", raw.shard_cells, used));
  return {};
}

Result<void> take_names(const serin_recorder_header& raw, RecorderHead& head) {
  auto boot_id = text_of(raw.boot_id);
  auto service = name_of(raw.service);
  if (!boot_id || !service) return fail("the name of its service, or its boot, is none");
  head.boot_id = std::move(*boot_id);
  head.service = std::move(*service);
  for (uint32_t i = 0; i < raw.classes; ++i) {
    auto name = name_of(raw.class_names[i]);
    bool only_one = raw.classes == 1 && raw.class_names[0][0] == '\0';
    if (!name && !only_one) return fail(fmt::format("the name of its class {} is none", i));
    head.class_names.push_back(name.value_or(""));
  }
  for (uint32_t i = 0; i < raw.counters; ++i) {
    auto name = name_of(raw.counter_names[i]);
    if (!name) return fail(fmt::format("the name of its counter {} is none", i));
    head.counter_names.push_back(std::move(*name));
  }
  return {};
}

}  // namespace

Result<std::optional<RecorderHead>> parse_recorder_head(std::span<const std::byte> bytes) {
  if (std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; }))
    return std::nullopt;
  serin_recorder_header raw;
  if (bytes.size() < sizeof raw.magic ||
      std::memcmp(bytes.data(), SERIN_RECORDER_MAGIC, sizeof raw.magic) != 0)
    return fail("it is no recorder file");
  if (bytes.size() < sizeof raw) return fail(fmt::format("it ends after {} bytes", bytes.size()));
  std::memcpy(&raw, bytes.data(), sizeof raw);
  static_assert(kPlaceOfVersion == 8, "where every version has it");
  if (raw.version != SERIN_RECORDER_VERSION)
    return fail(
        fmt::format("it was written by version {} of the recorder, and this agent reads "
                    "version {}: use the serin_recorder.h of this release",
                    raw.version, static_cast<int>(SERIN_RECORDER_VERSION)));
  if (auto good = check_buckets(raw); !good) return std::unexpected(good.error());
  if (auto good = check_size(raw); !good) return std::unexpected(good.error());
  RecorderHead head;
  head.pid = static_cast<int32_t>(std::min<uint32_t>(raw.pid, INT32_MAX));
  head.start_ticks = raw.start_ticks;
  head.shards = raw.shards;
  head.classes = raw.classes;
  head.counters = raw.counters;
  head.shard_cells = raw.shard_cells;
  if (auto good = take_names(raw, head); !good) return std::unexpected(good.error());
  return head;
}

std::optional<RecorderName> parse_recorder_name(std::string_view name) {
  size_t first = name.find('.');
  size_t second = name.find('.', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  RecorderName parsed{.service = name.substr(0, first)};
  std::string_view pid = name.substr(first + 1, second - first - 1);
  std::string_view random = name.substr(second + 1);
  auto [end, error] = std::from_chars(pid.data(), pid.data() + pid.size(), parsed.pid);
  bool is_random =
      random.size() == 16 && random.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (error != std::errc{} || end != pid.data() + pid.size() || parsed.pid <= 0 || !is_random ||
      !is_service_name(parsed.service))
    return std::nullopt;
  return parsed;
}

}  // namespace serin::agent
