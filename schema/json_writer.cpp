#include "schema/json_writer.h"

namespace serin {
namespace {

constexpr uint64_t kMicrosPerSecond = 1'000'000;

}  // namespace

JsonWriter& JsonWriter::seconds(int64_t microseconds) {
  separate();
  const bool negative = microseconds < 0;
  const uint64_t micros =
      negative ? 0 - static_cast<uint64_t>(microseconds) : static_cast<uint64_t>(microseconds);
  fmt::format_to(std::back_inserter(out_), "{}{}", negative ? "-" : "", micros / kMicrosPerSecond);
  if (micros % kMicrosPerSecond == 0) return *this;
  fmt::format_to(std::back_inserter(out_), ".{:06}", micros % kMicrosPerSecond);
  out_.erase(out_.find_last_not_of('0') + 1);
  return *this;
}

void JsonWriter::quote(std::string_view value) {
  out_ += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<uint8_t>(c));
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

}  // namespace serin
