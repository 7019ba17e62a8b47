#include "schema/text.h"

#include <cstdint>

namespace serin {
namespace {

/// Bytes of the UTF-8 character that begins `text`, 0 where there is none (Unicode 15, table 3-7).
size_t character_bytes(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
  };
  const auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return follows(1) ? 2 : 0;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  const bool in_range =
      first < 0xF5 && !(first == 0xF0 && byte(1) < 0x90) && !(first == 0xF4 && byte(1) > 0x8F);
  return in_range && follows(1) && follows(2) && follows(3) ? 4 : 0;
}

/// C0, DEL, and C1 (which terminals obey as well).
bool is_control(std::string_view text, size_t bytes) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (bytes == 1) return first < 0x20 || first == 0x7F;
  return bytes == 2 && first == 0xC2 && static_cast<uint8_t>(text[1]) < 0xA0;
}

}  // namespace

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    if (bytes == 0 || is_control(text, bytes)) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string plain_text(std::string_view text, size_t most_bytes) {
  std::string plain;
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    const size_t taken = bytes == 0 ? 1 : bytes;
    std::string_view character = text.substr(0, taken);
    if (bytes == 0) {
      character = "?";
    } else if (is_control(text, bytes)) {
      character = " ";
    }
    if (plain.size() + character.size() > most_bytes) break;
    plain += character;
    text.remove_prefix(taken);
  }
  return plain;
}

}  // namespace serin
