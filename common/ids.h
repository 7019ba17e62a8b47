#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/sha256.h"

namespace serin {

using Bytes = std::vector<uint8_t>;

/// Service names: ^[a-z0-9][a-z0-9_-]{0,62}$. Names beginning with `_` are Serin's own and not
/// accepted here.
bool is_service_name(std::string_view name);

/// Versions: 1-128 bytes of UTF-8 without control characters.
bool is_version(std::string_view version);
/// A version that comes from a path component: also no `/` and no leading `.`.
bool is_release_name(std::string_view version);

/// Host ids: 1-64 bytes of UTF-8 without control characters.
bool is_host_id(std::string_view host);

/// A host id as a NATS subject token: each byte outside [a-z0-9_-] becomes =XX (upper-case hex).
std::string host_token(std::string_view host);
/// The inverse; an error for a token that host_token cannot have made.
Result<std::string> host_from_token(std::string_view token);

/// `<service>-<opening time in ms, base 36>`.
std::string deploy_id(std::string_view service, int64_t opened_ms);
std::string base36(uint64_t value);

/// First 16 bytes of SHA-256 over `deploy id|host|service|kind|ordinal`, in lower-case hex (32
/// characters).
std::string command_id(std::string_view deploy, std::string_view host, std::string_view service,
                       std::string_view kind, int ordinal);

std::array<uint8_t, 32> hmac_sha256(std::span<const uint8_t> key, std::span<const uint8_t> data);
std::string hex(std::span<const uint8_t> data);
Result<Bytes> from_hex(std::string_view text);

inline std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
/// Equal in constant time (for tokens and signatures).
bool equal_secret(std::string_view a, std::string_view b);

}  // namespace serin
