#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/error.h"

namespace serin::bus {

/// How closely agents should look at a service, and for how long. On the wire one line of text:
/// `interval_ms=1000 lasting_seconds=600`.
struct Attention {
  uint32_t interval_ms = 1000;
  uint32_t lasting_seconds = 600;
  friend bool operator==(const Attention&, const Attention&) = default;
};

inline constexpr uint32_t kMinIntervalMs = 100;  ///< faster would be load, not attention
inline constexpr uint32_t kMaxIntervalMs = 60'000;
inline constexpr uint32_t kMaxLastingSeconds =
    900;  ///< lapses by itself: a lost message must not keep a fleet at 1 s

std::string encode_attention(const Attention& attention);
/// Both fields, in this order, decimal, within the limits above; nothing else.
Result<Attention> decode_attention(std::span<const uint8_t> bytes);

}  // namespace serin::bus
