#include "ctl/replay/lines.h"

namespace serin::ctl {

LineReader::Got LineReader::next(std::string_view& line) {
  bool too_long = false;
  for (;;) {
    const size_t newline = buffer_.find('\n', searched_);
    if (newline != buffer_.npos) {
      const size_t length = newline - begin_;
      const Got got = take(length, length + 1, line);
      return too_long ? Got::too_long : got;
    }
    searched_ = buffer_.size();
    if (buffer_.size() - begin_ > kMostLineBytes) {
      too_long = true;
      begin_ = searched_ = 0;
      buffer_.clear();
    }
    if (fill()) continue;
    const size_t rest = buffer_.size() - begin_;
    if (rest > 0 || too_long) {
      const Got got = take(rest, rest, line);
      return too_long ? Got::too_long : got;
    }
    if (error_.empty() || told_) return Got::end;
    told_ = true;
    return Got::broken;
  }
}

LineReader::Got LineReader::take(size_t length, size_t skip, std::string_view& line) {
  line = std::string_view(buffer_).substr(begin_, length);
  begin_ += skip;
  searched_ = begin_;
  ++number_;
  return length > kMostLineBytes ? Got::too_long : Got::line;
}

/// False when nothing more comes.
bool LineReader::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
  }
  const auto more = bytes_->more(buffer_);
  if (more && *more) return true;
  at_end_ = true;
  if (!more) error_ = more.error().message;
  return false;
}

}  // namespace serin::ctl
