#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace serin {

/// SHA-256 (FIPS 180-4) of what fits in memory. Our own, for hashes that name things and detect
/// torn files: the first digest that libcrypto makes in a process costs 2 MB of its memory for
/// good, twice what the rest of an agent uses. Signatures and codes over secrets are libcrypto's.
std::array<uint8_t, 32> sha256(std::span<const uint8_t> data);

}  // namespace serin
