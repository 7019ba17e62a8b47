#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/request/line_reader.h"

namespace serin::agent {

/// Where a tail stands in its file, and how to know that file again.
struct TailPosition {
  uint64_t device = 0, inode = 0;
  uint64_t offset = 0;      ///< of the first byte not yet handed over as part of a whole line
  std::string fingerprint;  ///< the file's first bytes
  friend bool operator==(const TailPosition&, const TailPosition&) = default;
};

/// Follows one log file line by line. Polled; no call ever blocks, also on a FIFO or a directory.
///
/// Starts at the end of a file that is there at the first look, at the beginning of one that
/// appears later, or where `resume` says (also when that file has been renamed meanwhile). Rotation
/// by rename: the old file is read on for some polls, as its writer may not have reopened yet;
/// files that lived wholly between two polls are found beside it by their birth time; then the new
/// one from its beginning. Copy and truncate: again from the beginning. A poll with nothing new
/// costs one pread, one fstat and one stat. Not for two threads.
class FileTail {
 public:
  static constexpr size_t kMaxBytesPerPoll = 16U << 20;  // bounds the loop's pause to some 50 ms
  static constexpr uint64_t kMaxBacklogBytes =
      64U << 20;  // after an outage of the agent; older lines only mislead
  // nginx reopens within milliseconds; a child of Apache's writes on until its last request ends.
  static constexpr int kLingerPolls = 60;
  static constexpr size_t kMaxOldFiles = 8;  // rotations within kLingerPolls

  struct Counts : LineCounts {
    uint64_t rotations = 0, truncations = 0;
    uint64_t skipped_bytes = 0;  ///< of a backlog above kMaxBacklogBytes
  };

  explicit FileTail(std::filesystem::path path, std::optional<TailPosition> resume = std::nullopt)
      : path_(std::move(path)), resume_(std::move(resume)) {}

  /// Hands every whole new line to `on_line`, without its end (`\n` or `\r\n`). Returns the bytes
  /// read; what lies beyond kMaxBytesPerPoll waits for the next poll.
  template <typename OnLine>
  size_t poll(OnLine&& on_line) {
    size_t total = 0;
    behind_ = false;
    auto left = [&] { return total < kMaxBytesPerPoll ? kMaxBytesPerPoll - total : 0; };
    for (auto& old : old_) total += old.reader.read(on_line, left(), counts_);
    age_old_files(total);
    if (!reader_ && !open_first()) return total;
    // A turn more for each file that took this one's place since the last poll.
    for (size_t turn = 0; turn <= kMaxOldFiles && left() > 0; ++turn) {
      restart_if_truncated();
      total += reader_->read(on_line, left(), counts_);
      if (left() == 0 || !next_file()) break;
    }
    behind_ = left() == 0;
    return total;
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// Did the last poll leave something for the next one?
  [[nodiscard]] bool is_behind() const { return behind_; }
  /// Why nothing can be read at the moment; empty when all is well.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::optional<TailPosition> position();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  struct Old {
    LineReader reader;
    int polls_left = kLingerPolls;
  };

  bool open_first();
  bool resume(LineReader& at_path);
  bool resume_renamed();
  bool is_resumed(LineReader& reader) const;
  void place(LineReader& reader, uint64_t offset);
  void restart_if_truncated();
  /// At the end of the current file: true when another one took its place.
  bool next_file();
  std::optional<LineReader> oldest_between(LineReader& current, const LineReader& next) const;
  std::vector<LineReader> siblings() const;
  void age_old_files(size_t bytes_read);

  std::filesystem::path path_;
  std::optional<TailPosition> resume_;
  bool looked_ = false, behind_ = false;
  std::optional<LineReader> reader_;
  std::vector<Old> old_;
  Counts counts_;
  std::string problem_;
};

}  // namespace serin::agent
