#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace serin {

/// Reads one JSON text (RFC 8259) from front to back, as its caller expects it: no tree, no
/// allocation but for the texts themselves. A tree would cost more than everything that a replay
/// does with a line.
///
/// The first fault sticks and says where: from then on every call returns a zero value, so that a
/// caller looks at ok() once, at the end. Whether texts are UTF-8 is left to the caller.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  [[nodiscard]] bool ok() const { return error_.empty(); }
  /// `path.to.key: what at byte N`.
  [[nodiscard]] std::string error() const { return path_.empty() ? error_ : path_ + ": " + error_; }

  /// Calls `on_member(key)` for each member, in the file's order. It must read the value, or skip()
  /// it.
  template <typename OnMember>
  void members(OnMember on_member);
  /// Calls `on_element()` for each element; it must read the element.
  template <typename OnElement>
  void elements(OnElement on_element);

  std::string string();
  bool boolean();
  double number();
  /// A whole number from 0 on, exact over all 64 bits; `7.0` and `8.1e7` are whole too.
  uint64_t count();
  /// The whole number nearest to a value from 0 on.
  uint64_t rounded_count();
  int64_t integer();
  /// Seconds to the nearest microsecond; exact where there are at most six decimals.
  int64_t microseconds();
  /// Skips a value, and returns its text.
  std::string_view skip();
  /// True, and the value taken, if it is `null`.
  bool take_null();
  /// The first character of the next value, without taking it; 0 at the end.
  char peek();
  /// Only blanks may be left.
  void end();

  void fault(std::string_view what);

 private:
  struct Number {
    std::string_view text;
    double value = 0;
    uint64_t whole = 0;
    bool is_whole = false;  ///< `whole` holds it exactly
  };
  Number token();
  size_t digits();
  std::string_view text_or(std::string& unescaped);
  void unescape(std::string& into);
  uint32_t hex4();
  bool expect(char wanted);
  bool take(char wanted);
  void skip_blanks();
  void skip_nested(int depth);
  void fault_in(std::string_view key);

  std::string_view text_;
  size_t at_ = 0;
  std::string error_;
  std::string path_;  ///< of keys, to the fault
};

template <typename OnMember>
void JsonReader::members(OnMember on_member) {
  if (!expect('{') || take('}')) return;
  do {
    std::string unescaped;
    const std::string_view key = text_or(unescaped);
    if (!expect(':')) return;
    on_member(key);
    if (!ok()) return fault_in(key);
  } while (take(','));
  expect('}');
}

template <typename OnElement>
void JsonReader::elements(OnElement on_element) {
  if (!expect('[') || take(']')) return;
  do {
    on_element();
  } while (ok() && take(','));
  expect(']');
}

}  // namespace serin
