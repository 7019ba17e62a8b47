#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "recorder/serin_recorder.h"

namespace serin::agent {

/// How the counters of one recorder file lie, and who says to have written it. Checked: every
/// figure is within its bounds, so that nothing that is computed from them overflows.
struct RecorderHead {
  int32_t pid = 0;           ///< as the writer sees it, maybe in a namespace of its own
  uint64_t start_ticks = 0;  ///< of the writer, since boot
  std::string boot_id, service;
  uint32_t shards = 0, classes = 0, counters = 0;
  size_t shard_cells = 0;
  std::vector<std::string> class_names, counter_names;

  static constexpr size_t kOutcomes = SERIN_OUTCOMES;
  static constexpr size_t kColumns = SERIN_RECORDER_COLUMNS;
  /// Cells of a shard that mean something: requests, counters, misuse.
  [[nodiscard]] size_t used_cells() const { return misuse_cell() + 1; }
  [[nodiscard]] size_t request_cell(size_t class_index, size_t outcome) const {
    return (class_index * kOutcomes + outcome) * kColumns;
  }
  [[nodiscard]] size_t counter_cell(size_t counter) const {
    return classes * kOutcomes * kColumns + counter;
  }
  [[nodiscard]] size_t misuse_cell() const { return counter_cell(counters); }
  [[nodiscard]] size_t file_bytes() const {
    return SERIN_RECORDER_HEADER_BYTES + shards * shard_cells * sizeof(uint64_t);
  }
};

/// The first bytes of a file, at most SERIN_RECORDER_HEADER_BYTES of them. nullopt: not written
/// yet, all of it is zero. Errors say what is wrong with it, without the file's name.
Result<std::optional<RecorderHead>> parse_recorder_head(std::span<const std::byte> bytes);

/// What a file's name says: SERVICE.PID.RANDOM.
struct RecorderName {
  std::string_view service;
  int32_t pid = 0;
};
std::optional<RecorderName> parse_recorder_name(std::string_view name);

}  // namespace serin::agent
