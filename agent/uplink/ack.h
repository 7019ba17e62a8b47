#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace serin::agent {

/// What JetStream answered to a message that was published with a reply subject.
struct Ack {
  bool stored = false;
  uint64_t code = 0;  ///< JetStream's error code; 0 when it is not JetStream that refused
  std::string why;    ///< it was not stored
};

/// `status`: the header that the server sets instead of an answer when nobody listens; else empty.
Ack read_ack(std::string_view status, std::span<const uint8_t> payload);

}  // namespace serin::agent
