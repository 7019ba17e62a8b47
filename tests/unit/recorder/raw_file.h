#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "recorder/serin_recorder.h"

namespace serin::agent {

/// A recorder file made by hand: one class, one shard, whatever its head is changed to.
struct RawFile {
  serin_recorder_header header{};
  std::vector<uint64_t> cells;

  explicit RawFile(int32_t pid, uint64_t start_ticks = 100, const char* boot_id = "boot") {
    std::memcpy(header.magic, SERIN_RECORDER_MAGIC, sizeof header.magic);
    header.version = SERIN_RECORDER_VERSION;
    header.header_bytes = SERIN_RECORDER_HEADER_BYTES;
    header.pid = static_cast<uint32_t>(pid);
    header.start_ticks = start_ticks;
    header.shards = header.classes = 1;
    header.shard_cells = (SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS + 1 + 15) / 16 * 16;
    header.scale = SERIN_RECORDER_SCALE;
    header.first_bucket = SERIN_RECORDER_FIRST_BUCKET;
    header.columns = SERIN_RECORDER_COLUMNS;
    header.outcomes = SERIN_OUTCOMES;
    std::strcpy(header.boot_id, boot_id);
    std::strcpy(header.service, "api");
    cells.resize(header.shard_cells);
  }

  [[nodiscard]] std::string text() const {
    std::string text(SERIN_RECORDER_HEADER_BYTES, '\0');
    std::memcpy(text.data(), &header, sizeof header);
    text.append(reinterpret_cast<const char*>(cells.data()), cells.size() * sizeof(uint64_t));
    return text;
  }
  [[nodiscard]] std::span<const std::byte> head_bytes() const {
    return std::as_bytes(std::span(&header, 1));
  }
  std::string name() const { return "api." + std::to_string(header.pid) + ".00112233445566aa"; }
  /// `requests` of one outcome, all of 1 ms.
  RawFile& with(uint64_t requests, serin_outcome outcome = SERIN_OK) {
    cells[static_cast<size_t>(outcome) * SERIN_RECORDER_COLUMNS +
          ::serin_recorder_column(1'000'000)] = requests;
    return *this;
  }
  /// Written in place, as a recorder does.
  void write_to(const std::filesystem::path& folder) const {
    bool there = std::filesystem::exists(folder / name());
    auto mode = std::ios::binary | std::ios::in | std::ios::out;
    std::fstream(folder / name(), there ? mode : mode | std::ios::trunc) << text();
  }
};

}  // namespace serin::agent
