#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/file.h"

namespace serin::agent {

/// What a line reader met; cumulative.
struct LineCounts {
  uint64_t lines = 0;
  uint64_t oversized = 0;  ///< lines above LineReader::kMaxLineBytes, dropped whole
};

/// Cuts one open file into lines, from an offset on. Keeps a partial line until its end arrives.
/// Reads with pread, so a file that shrinks meanwhile is only a short read. Never blocks: only
/// regular files are opened.
class LineReader {
 public:
  static constexpr size_t kMaxLineBytes = size_t{64} * 1024;  // far above any real access log line
  static constexpr size_t kBlockBytes =
      size_t{64} * 1024;  // one read; larger ones fall out of the cache
  static constexpr size_t kFingerprintBytes =
      64;  // an access log's first line holds a time by then

  /// A FIFO, a directory or a device is refused with its kind in the error.
  static Result<LineReader> open(const std::filesystem::path& path);

  /// Reads on from `offset`. In the middle of a line the rest of that line is dropped.
  void seek(uint64_t offset);
  /// Forgets the partial line and starts again at the beginning, behind a hole if there is one.
  void restart();

  /// Reads to the end, or at least `budget` bytes of it; returns the bytes read.
  template <typename OnLine>
  size_t read(OnLine&& on_line, size_t budget, LineCounts& counts) {
    size_t total = 0;
    while (total < budget) {
      size_t got = fill();
      if (got == 0) break;
      total += got;
      cut(on_line, got, counts);
      if (got < kBlockBytes) break;  // the end, without asking again
    }
    return total;
  }

  /// Has the file been cut, or cut and filled again, since the last call? One fstat when it has not
  /// changed.
  [[nodiscard]] bool was_truncated();
  /// The first bytes; grows to kFingerprintBytes with the file.
  const std::string& fingerprint();

  [[nodiscard]] uint64_t device() const { return device_; }
  [[nodiscard]] uint64_t inode() const { return inode_; }
  /// When the file was made, ns; 0 where the file system does not tell.
  [[nodiscard]] int64_t born_ns() const { return born_ns_; }
  /// Offset of the first byte that was not handed over as part of a whole line.
  [[nodiscard]] uint64_t line_offset() const { return offset_ - kept_; }
  [[nodiscard]] uint64_t size() const;

 private:
  explicit LineReader(UniqueFd fd) : fd_(std::move(fd)) {}
  size_t fill();
  void keep(size_t begin, size_t end, LineCounts& counts);

  template <typename OnLine>
  void cut(OnLine&& on_line, size_t got, LineCounts& counts) {
    std::string_view block(buffer_.data(), kept_ + got);
    size_t begin = 0;
    for (size_t search = kept_;;) {
      size_t end = block.find('\n', search);
      if (end == std::string_view::npos) break;
      std::string_view line = block.substr(begin, end - begin);
      begin = search = end + 1;
      if (std::exchange(discarding_, false)) continue;
      if (line.size() > kMaxLineBytes) {
        ++counts.oversized;
        continue;
      }
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++counts.lines;
      on_line(line);
    }
    keep(begin, block.size(), counts);
  }

  UniqueFd fd_;
  uint64_t device_ = 0, inode_ = 0;
  int64_t born_ns_ = 0;
  uint64_t offset_ = 0;  ///< of the next byte to read
  uint64_t last_size_ = 0;
  std::string fingerprint_;
  std::vector<char> buffer_;
  size_t kept_ = 0;          ///< bytes of a partial line at the buffer's beginning
  bool discarding_ = false;  ///< until the next newline
};

}  // namespace serin::agent
