#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace serin::ctl {

/// Bytes of a capture: as they are, or taken out of gzip or zstd, told by their first bytes.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Appends some bytes. False at the end; an error for a file that cannot be read on.
  virtual Result<bool> more(std::string& into) = 0;
};

/// `-` is standard input. `read`, when not null, counts the bytes that were taken from the file as
/// it lies there; it outlives the source.
Result<std::unique_ptr<ByteSource>> open_bytes(const std::string& file,
                                               std::atomic<uint64_t>* read = nullptr);

/// The lines of a capture, one at a time, in bounded memory.
class LineReader {
 public:
  /// Twice what a line of a capture may have; a longer one is not kept in memory.
  static constexpr size_t kMostLineBytes = size_t{2} << 20;

  explicit LineReader(std::unique_ptr<ByteSource> bytes) : bytes_(std::move(bytes)) {}

  enum class Got { line, too_long, end, broken };
  /// `line` stays valid until the next call. After `broken`, error() says why, and only the end
  /// follows; what came before the fault has been handed out, a torn last line too.
  Got next(std::string_view& line);
  [[nodiscard]] uint64_t number() const { return number_; }  ///< of the last line, from 1 on
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  bool fill();
  Got take(size_t length, size_t skip, std::string_view& line);

  std::unique_ptr<ByteSource> bytes_;
  std::string buffer_, error_;
  size_t begin_ = 0, searched_ = 0;
  uint64_t number_ = 0;
  bool at_end_ = false, told_ = false;
};

}  // namespace serin::ctl
