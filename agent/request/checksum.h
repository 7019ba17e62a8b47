#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace serin::agent {

/// 16 digits that tell a torn or damaged record from a whole one; FNV-1a, as it is written each
/// second with cold caches, where SHA-256 took 30 µs. No protection against anybody.
inline std::string checksum(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace serin::agent
