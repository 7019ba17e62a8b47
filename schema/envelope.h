#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "schema/messages.h"

// The two outer layers of what reaches the root helper, as views into the received bytes: nothing
// is copied or allocated, so that a program that runs as root does as little as possible before a
// signature holds. The bytes must begin at an address divisible by 8 and outlive the view. What is
// inside is checked by wire.h afterwards.

namespace serin::wire {

struct HelperRequestView {
  HelperVerb verb = HelperVerb::status;
  std::string_view service;          ///< as sent: not yet checked to be a service name
  std::span<const uint8_t> command;  ///< execute: a SignedCommand buffer
};

struct SignedView {
  std::string_view key_id;
  std::span<const uint8_t> payload;
  std::span<const uint8_t> signature;
};

enum class EnvelopeFault : uint8_t { none, malformed, unsupported };

/// Nullopt when it is not a well-formed SRQ1 buffer; `fault` then says whether identifier or verb
/// are unknown.
std::optional<HelperRequestView> view_helper_request(std::span<const uint8_t> bytes,
                                                     EnvelopeFault& fault);
/// The same for SRK1. `bytes` may lie inside another buffer: 4-byte alignment is enough.
std::optional<SignedView> view_signed(std::span<const uint8_t> bytes, EnvelopeFault& fault);

}  // namespace serin::wire
