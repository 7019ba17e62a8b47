#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "common/signing.h"
#include "schema/messages.h"

// The boundary of the root helper: everything that is done with a stranger's bytes before a
// signature holds. Kept small and apart, without allocation of its own, fuzzed
// (tests/fuzz/rollback). The order is part of the contract: peer, size, envelope, signature; only
// then is the command itself read.

namespace serin::helper {

struct Rejection {
  Refusal refusal = Refusal::none;
  std::string_view text;  ///< a literal
};

/// Who may speak: root, the helper's own user, and the listed ones.
[[nodiscard]] bool peer_allowed(uid_t peer, uid_t own, std::span<const uid_t> listed);

/// A request whose envelope is sound. Views into the received packet, nothing of which is trusted
/// yet.
struct OpenedRequest {
  HelperVerb verb = HelperVerb::status;
  std::string_view service;  ///< a service name; empty only for execute
  std::span<const uint8_t> command;
};

/// Size and envelope. `packet_bytes` is what the peer sent, which may be more than was received
/// (MSG_TRUNC).
std::expected<OpenedRequest, Rejection> open_request(std::span<const uint8_t> packet,
                                                     size_t packet_bytes);

/// The payload of a signed command; only after key and signature have been found good.
std::expected<std::span<const uint8_t>, Rejection> open_command(std::span<const uint8_t> envelope,
                                                                const KeyRing& keys);

}  // namespace serin::helper
