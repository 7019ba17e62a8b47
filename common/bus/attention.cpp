#include "common/bus/attention.h"

#include <fmt/core.h>

#include <charconv>
#include <string_view>

namespace serin::bus {
namespace {

/// Takes `name` and a number off the front of `text`.
bool take(std::string_view& text, std::string_view name, uint32_t& value) {
  if (!text.starts_with(name)) return false;
  text.remove_prefix(name.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string encode_attention(const Attention& attention) {
  return fmt::format("interval_ms={} lasting_seconds={}", attention.interval_ms,
                     attention.lasting_seconds);
}

Result<Attention> decode_attention(std::span<const uint8_t> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Attention read;
  if (!take(text, "interval_ms=", read.interval_ms) ||
      !take(text, " lasting_seconds=", read.lasting_seconds) || !text.empty()) {
    return fail("an attention message must read `interval_ms=N lasting_seconds=N`");
  }
  if (read.interval_ms < kMinIntervalMs || read.interval_ms > kMaxIntervalMs) {
    return fail(fmt::format("attention: interval_ms={} is outside {}-{}", read.interval_ms,
                            kMinIntervalMs, kMaxIntervalMs));
  }
  if (read.lasting_seconds == 0 || read.lasting_seconds > kMaxLastingSeconds) {
    return fail(fmt::format("attention: lasting_seconds={} is outside 1-{}", read.lasting_seconds,
                            kMaxLastingSeconds));
  }
  return read;
}

}  // namespace serin::bus
