#include "common/ids.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace serin {
namespace {

constexpr size_t kMostServiceNameBytes = 63;
constexpr size_t kMostVersionBytes = 128;
constexpr size_t kMostHostIdBytes = 64;
constexpr size_t kCommandIdBytes = 16;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// What stands for itself in a subject token.
bool is_token_char(char c) {
  return is_lower_or_digit(c) || c == '_' || c == '-';
}

/// Reads one UTF-8 character (RFC 3629: no overlong forms, no surrogates) and takes it off the
/// front. Returns its code point, or -1.
int32_t take_utf8(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  size_t length = 0;
  if (lead < 0x80) length = 1;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return -1;
  int32_t code = length == 1 ? lead : lead & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return -1;
    code = (code << 6) | (byte(i) & 0x3F);
  }
  constexpr std::array<int32_t, 5> kLeastOfLength = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeastOfLength[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
    return -1;
  }
  text.remove_prefix(length);
  return code;
}

/// UTF-8 without control characters (C0, DEL, C1), so that it can be shown, logged and put into
/// JSON as it is.
bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const int32_t code = take_utf8(text);
    if (code < 0x20 || (code >= 0x7F && code <= 0x9F)) return false;
  }
  return true;
}

/// The value of an upper-case hex digit, or -1.
int upper_hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int hex_value(char c) {
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return upper_hex_value(c);
}

}  // namespace

bool is_service_name(std::string_view name) {
  if (name.empty() || name.size() > kMostServiceNameBytes) return false;
  return is_lower_or_digit(name.front()) && std::all_of(name.begin(), name.end(), is_token_char);
}

bool is_version(std::string_view version) {
  return !version.empty() && version.size() <= kMostVersionBytes && is_plain_text(version);
}

bool is_release_name(std::string_view version) {
  return is_version(version) && version.front() != '.' &&
         version.find('/') == std::string_view::npos;
}

bool is_host_id(std::string_view host) {
  return !host.empty() && host.size() <= kMostHostIdBytes && is_plain_text(host);
}

std::string host_token(std::string_view host) {
  std::string token;
  token.reserve(host.size());
  for (const char c : host) {
    if (is_token_char(c)) {
      token += c;
    } else {
      token += fmt::format("={:02X}", static_cast<uint8_t>(c));
    }
  }
  return token;
}

Result<std::string> host_from_token(std::string_view token) {
  const auto bad = [&](std::string_view why) {
    return fail(fmt::format("'{:.200}' is not the subject token of a host: {}", token, why));
  };
  std::string host;
  for (size_t i = 0; i < token.size() && host.size() <= kMostHostIdBytes; ++i) {
    if (is_token_char(token[i])) {
      host += token[i];
      continue;
    }
    if (token[i] != '=') return bad("only a-z 0-9 _ - stand for themselves");
    if (token.size() - i < 3) return bad("it ends inside an =XX");
    const int high = upper_hex_value(token[i + 1]);
    const int low = upper_hex_value(token[i + 2]);
    if (high < 0 || low < 0) return bad("= must be followed by two upper-case hex digits");
    const auto c = static_cast<char>(high * 16 + low);
    if (is_token_char(c)) return bad("a plain character is escaped");
    host += c;
    i += 2;
  }
  if (!is_host_id(host))
    return bad("host ids are 1 to 64 bytes of UTF-8 without control characters");
  return host;
}

std::string base36(uint64_t value) {
  std::string reversed;
  do {
    reversed += "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36];
    value /= 36;
  } while (value != 0);
  return {reversed.rbegin(), reversed.rend()};
}

std::string deploy_id(std::string_view service, int64_t opened_ms) {
  return fmt::format("{}-{}", service,
                     base36(static_cast<uint64_t>(std::max<int64_t>(opened_ms, 0))));
}

std::string command_id(std::string_view deploy, std::string_view host, std::string_view service,
                       std::string_view kind, int ordinal) {
  const std::string text = fmt::format("{}|{}|{}|{}|{}", deploy, host, service, kind, ordinal);
  const auto digest = sha256(as_bytes(text));
  return hex(std::span(digest).first(kCommandIdBytes));
}

std::array<uint8_t, 32> hmac_sha256(std::span<const uint8_t> key, std::span<const uint8_t> data) {
  std::array<uint8_t, 32> code{};
  static constexpr uint8_t kNoKey = 0;  // a null key would mean "the key of the call before"
  unsigned int length = 0;
  SERIN_VERIFY(HMAC(EVP_sha256(), key.empty() ? &kNoKey : key.data(), static_cast<int>(key.size()),
                    data.data(), data.size(), code.data(), &length) != nullptr);
  SERIN_VERIFY(length == code.size());
  return code;
}

std::string hex(std::span<const uint8_t> data) {
  std::string text;
  text.reserve(data.size() * 2);
  for (const uint8_t byte : data) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return fail("hex text of odd length");
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) {
      return fail(fmt::format("not a hex digit at character {}", high < 0 ? i + 1 : i + 2));
    }
    bytes.push_back(static_cast<uint8_t>(high * 16 + low));
  }
  return bytes;
}

bool equal_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace serin
