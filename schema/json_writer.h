#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

namespace serin {

/// Appends one JSON text. The caller opens and closes what it writes; commas come by themselves.
class JsonWriter {
 public:
  JsonWriter& open(char bracket = '{') {
    separate();
    out_ += bracket;
    return *this;
  }
  JsonWriter& close(char bracket = '}') {
    out_ += bracket;
    return *this;
  }
  JsonWriter& key(std::string_view name) {
    separate();
    quote(name);
    out_ += ':';
    return *this;
  }
  JsonWriter& text(std::string_view value) {
    separate();
    quote(value);
    return *this;
  }
  /// Something that is JSON already.
  JsonWriter& raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
  }
  template <typename Integer>
  JsonWriter& integer(Integer value) {
    separate();
    fmt::format_to(std::back_inserter(out_), "{}", value);
    return *this;
  }
  /// The shortest text that reads back as the same value; `null` where it is not finite.
  JsonWriter& number(double value) {
    separate();
    if (!std::isfinite(value)) return raw("null");
    fmt::format_to(std::back_inserter(out_), "{}", value);
    return *this;
  }
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  /// Seconds, with as many decimals as there are.
  JsonWriter& seconds(int64_t microseconds);

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void separate() {
    constexpr std::string_view kBefore = "{[:,";  // a text's own last character is its quote
    if (!out_.empty() && kBefore.find(out_.back()) == std::string_view::npos) out_ += ',';
  }
  void quote(std::string_view value);

  std::string out_;
};

}  // namespace serin
