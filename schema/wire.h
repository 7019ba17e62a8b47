#pragma once

#include "schema/messages.h"

// The only place where FlatBuffers are spoken. Every reader verifies the buffer and its file identifier first, then
// the meaning (names, lengths, finite numbers, histogram bounds), and answers an Error that says which field is at
// fault. An unknown identifier says "unsupported". Unknown enum values of a newer peer are an error too (counted by
// the caller), unknown fields are ignored.

namespace serin::wire {

inline constexpr size_t kMaxMessageBytes = size_t{64} * 1024;  ///< SERIN_INPUT's limit
inline constexpr size_t kMaxCommandBytes = size_t{16} * 1024;  ///< SERIN_COMMANDS' and the helper socket's limit

Bytes encode(const Sample&);
Bytes encode(const Event&);
Bytes encode(const Control&);
Bytes encode(const Command&);
Bytes encode(const SignedCommand&);
Bytes encode(const Decision&);
Bytes encode(const HelperRequest&);
Bytes encode(const HelperReply&);

Result<Sample> decode_sample(std::span<const uint8_t>);
Result<Event> decode_event(std::span<const uint8_t>);
Result<Control> decode_control(std::span<const uint8_t>);
Result<Command> decode_command(std::span<const uint8_t>);
Result<SignedCommand> decode_signed(std::span<const uint8_t>);
Result<Decision> decode_decision(std::span<const uint8_t>);
Result<HelperRequest> decode_helper_request(std::span<const uint8_t>);
Result<HelperReply> decode_helper_reply(std::span<const uint8_t>);

}  // namespace serin::wire
