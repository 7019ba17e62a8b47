#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace serin::agent {

/// Who ran when, on the host's wall clock: spans that follow each other without a hole, the last
/// one still open. A span without generation is a time in which nothing ran. Pure.
class Timeline {
 public:
  static constexpr size_t kMaxSpans =
      32;  // a crash loop of one start a second, for the longest usual request

  struct Span {
    uint32_t id = 0;  ///< from 1, never used again
    std::string generation;
    std::string version;
    int64_t start_us = 0;
  };

  /// A new span from `start_us` on (not before the last span's start). Returns its id.
  uint32_t begin(std::string generation, std::string version, int64_t start_us);
  /// The version of a span became known later.
  void name_version(uint32_t id, std::string version);

  /// The span in which something began; the first one for what lies before all, nullptr without any
  /// span.
  [[nodiscard]] const Span* at(int64_t begin_us) const;
  /// The latest span of a version.
  [[nodiscard]] const Span* of_version(std::string_view version) const;
  [[nodiscard]] const Span* by_id(uint32_t id) const;
  /// Oldest first.
  [[nodiscard]] const std::deque<Span>& spans() const { return spans_; }
  [[nodiscard]] const Span* last() const { return spans_.empty() ? nullptr : &spans_.back(); }

 private:
  std::deque<Span> spans_;
  uint32_t next_id_ = 1;
};

}  // namespace serin::agent
