#include "schema/json_reader.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "schema/text.h"

namespace serin {
namespace {

constexpr int kMostNesting = 32;  // of what is skipped; nothing we read nests deeper than 3
constexpr double kMostWhole =
    9007199254740992.0;               // 2^53: doubles hold every whole number up to here
constexpr size_t kMostKeyShown = 64;  // in an error
constexpr size_t kMicroDigits = 6;
constexpr size_t kSecondDigits = 12;  // leaves room for six more in 64 bits

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void append_utf8(std::string& into, uint32_t point) {
  const auto tail = [point](int shift) {
    return static_cast<char>(0x80 | ((point >> shift) & 0x3F));
  };
  if (point < 0x80) {
    into += static_cast<char>(point);
  } else if (point < 0x800) {
    into += {static_cast<char>(0xC0 | (point >> 6)), tail(0)};
  } else if (point < 0x10000) {
    into += {static_cast<char>(0xE0 | (point >> 12)), tail(6), tail(0)};
  } else {
    into += {static_cast<char>(0xF0 | (point >> 18)), tail(12), tail(6), tail(0)};
  }
}

}  // namespace

void JsonReader::fault(std::string_view what) {
  if (ok()) error_ = fmt::format("{} at byte {}", what, at_);
}

/// Keys are added while the calls return, so that the path ends up whole.
void JsonReader::fault_in(std::string_view key) {
  path_ = plain_text(key, kMostKeyShown) + (path_.empty() ? "" : ".") + path_;
}

void JsonReader::skip_blanks() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) {
    ++at_;
  }
}

char JsonReader::peek() {
  skip_blanks();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonReader::take(char wanted) {
  if (!ok() || peek() != wanted || at_ >= text_.size()) return false;
  ++at_;
  return true;
}

bool JsonReader::expect(char wanted) {
  if (take(wanted)) return true;
  fault(fmt::format("expected '{}'", wanted));
  return false;
}

void JsonReader::end() {
  if (ok() && (peek() != '\0' || at_ < text_.size())) fault("more than one value");
}

// ---- texts

/// A view of the text itself where nothing is escaped, of `unescaped` otherwise.
std::string_view JsonReader::text_or(std::string& unescaped) {
  if (!expect('"')) return {};
  const size_t begin = at_;
  while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
         static_cast<uint8_t>(text_[at_]) >= 0x20) {
    ++at_;
  }
  const std::string_view plain = text_.substr(begin, at_ - begin);
  if (at_ < text_.size() && text_[at_] == '"') {
    ++at_;
    return plain;
  }
  unescaped = plain;
  while (ok() && at_ < text_.size() && text_[at_] != '"') unescape(unescaped);
  expect('"');
  return unescaped;
}

/// The next character, or escape, of a text.
void JsonReader::unescape(std::string& into) {
  const char c = text_[at_++];
  if (static_cast<uint8_t>(c) < 0x20) return fault("control character in a text");
  if (c != '\\') return static_cast<void>(into += c);
  const char kind = at_ < text_.size() ? text_[at_++] : '\0';
  constexpr std::string_view kKinds = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  if (const size_t known = kKinds.find(kind); kind != '\0' && known != std::string_view::npos) {
    return static_cast<void>(into += kMeant[known]);
  }
  if (kind != 'u') return fault("unknown escape");
  uint32_t point = hex4();
  if (point >= 0xD800 && point < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
    at_ += 2;
    const uint32_t low = hex4();
    if (low < 0xDC00 || low > 0xDFFF) return fault("half a surrogate pair");
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  }
  if (point >= 0xD800 && point <= 0xDFFF) return fault("half a surrogate pair");
  append_utf8(into, point);
}

uint32_t JsonReader::hex4() {
  uint32_t value = 0;
  const std::string_view four = text_.substr(at_, 4);
  const auto [end, code] = std::from_chars(four.data(), four.data() + four.size(), value, 16);
  if (four.size() < 4 || code != std::errc() || end != four.data() + 4) {
    fault("expected four hex digits");
    return 0;
  }
  at_ += 4;
  return value;
}

std::string JsonReader::string() {
  std::string unescaped;
  const std::string_view text = text_or(unescaped);
  return text.data() == unescaped.data() ? std::move(unescaped) : std::string(text);
}

// ---- literals and numbers

bool JsonReader::take_null() {
  if (!ok() || peek() != 'n' || !text_.substr(at_).starts_with("null")) return false;
  at_ += 4;
  return true;
}

bool JsonReader::boolean() {
  if (!ok()) return false;
  skip_blanks();
  const std::string_view rest = text_.substr(at_);
  const bool is_true = rest.starts_with("true");
  if (!is_true && !rest.starts_with("false")) fault("expected true or false");
  if (ok()) at_ += is_true ? 4 : 5;
  return is_true;
}

size_t JsonReader::digits() {
  const size_t begin = at_;
  while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  return at_ - begin;
}

JsonReader::Number JsonReader::token() {
  if (!ok()) return {};
  const bool negative = peek() == '-';
  const size_t begin = at_;
  if (negative) ++at_;
  const size_t first = at_;
  const size_t whole_digits = digits();
  bool well_formed = whole_digits == 1 || (whole_digits > 1 && text_[first] != '0');
  const size_t whole_end = at_;
  if (well_formed && at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    well_formed = digits() > 0;
  }
  if (well_formed && at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    well_formed = digits() > 0;
  }
  Number number{.text = text_.substr(begin, at_ - begin)};
  const char* first_character = number.text.data();
  const char* last = first_character + number.text.size();
  if (well_formed && !negative && at_ == whole_end &&
      std::from_chars(first_character, last, number.whole).ec == std::errc()) {
    number.value = static_cast<double>(number.whole);
    number.is_whole = true;
    return number;
  }
  if (!well_formed) {
    at_ = begin;
    fault("expected a number");
  } else if (std::from_chars(first_character, last, number.value).ec != std::errc()) {
    fault("number out of range");
  } else if (number.value >= 0 && number.value <= kMostWhole &&
             std::floor(number.value) == number.value) {
    number.whole = static_cast<uint64_t>(number.value);
    number.is_whole = true;
  }
  return number;
}

double JsonReader::number() {
  return token().value;
}

uint64_t JsonReader::count() {
  const Number number = token();
  if (!number.is_whole) fault("expected a whole number from 0 on");
  return number.whole;
}

uint64_t JsonReader::rounded_count() {
  const Number number = token();
  if (number.is_whole) return number.whole;
  if (!(number.value >= 0 && number.value <= kMostWhole)) {
    fault("expected a number from 0 to 2^53");
    return 0;
  }
  return static_cast<uint64_t>(std::llround(number.value));
}

int64_t JsonReader::integer() {
  const double value = token().value;
  if (!(std::abs(value) <= kMostWhole) || std::floor(value) != value) {
    fault("expected a whole number");
    return 0;
  }
  return static_cast<int64_t>(value);
}

int64_t JsonReader::microseconds() {
  const Number number = token();
  const bool negative = number.text.starts_with('-');
  const std::string_view unsigned_text = number.text.substr(negative ? 1 : 0);
  const size_t point = unsigned_text.find('.');
  const std::string_view seconds = unsigned_text.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : unsigned_text.substr(point + 1);
  const bool has_exponent = number.text.find_first_of("eE") != std::string_view::npos;
  if (!ok() || has_exponent || fraction.size() > kMicroDigits || seconds.size() > kSecondDigits) {
    const double micros = number.value * 1e6;
    if (std::abs(micros) <= kMostWhole) return std::llround(micros);
    fault("not a time");
    return 0;
  }
  int64_t micros = 0;
  for (const char c : seconds) micros = micros * 10 + (c - '0');
  for (size_t i = 0; i < kMicroDigits; ++i)
    micros = micros * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  return negative ? -micros : micros;
}

// ---- what nobody reads

std::string_view JsonReader::skip() {
  skip_blanks();
  const size_t begin = at_;
  skip_nested(0);
  return text_.substr(begin, at_ - begin);
}

void JsonReader::skip_nested(int depth) {
  if (depth > kMostNesting) return fault("nested too deeply");
  const char first = peek();
  std::string unescaped;
  if (first == '{') {
    members([&](std::string_view) { skip_nested(depth + 1); });
  } else if (first == '[') {
    elements([&] { skip_nested(depth + 1); });
  } else if (first == '"') {
    text_or(unescaped);
  } else if (first == 't' || first == 'f') {
    boolean();
  } else if (first == 'n') {
    if (!take_null()) fault("expected null");
  } else {
    token();
  }
}

}  // namespace serin
