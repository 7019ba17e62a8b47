#pragma once

#include "schema/check.h"
#include "schema/wire.h"
#include "tests/wire/generate.h"

// The same face for every message, so that each promise is tested for all of them.

namespace serin::test {

using Bytes = std::vector<uint8_t>;

template <typename Message>
struct Codec;

#define SERIN_CODEC(Message, decoder, generator, most_bytes, ...)   \
  template <>                                                       \
  struct Codec<Message> {                                           \
    static constexpr size_t kMostBytes = most_bytes;                \
    static Message make(Generator& from) {                          \
      return from.generator();                                      \
    }                                                               \
    static Result<Message> decode(std::span<const uint8_t> bytes) { \
      return wire::decoder(bytes);                                  \
    }                                                               \
    static Result<void> check(const Message& message) {             \
      return serin::check(message __VA_OPT__(, ) __VA_ARGS__);      \
    }                                                               \
  }

SERIN_CODEC(Sample, decode_sample, sample, wire::kMaxMessageBytes, Origin::wire);
SERIN_CODEC(Event, decode_event, event, wire::kMaxMessageBytes, Origin::wire);
SERIN_CODEC(Control, decode_control, control, wire::kMaxMessageBytes, Origin::wire);
SERIN_CODEC(Command, decode_command, command, wire::kMaxCommandBytes);
SERIN_CODEC(SignedCommand, decode_signed, signed_command, wire::kMaxCommandBytes);
SERIN_CODEC(Decision, decode_decision, decision, wire::kMaxMessageBytes);
SERIN_CODEC(HelperRequest, decode_helper_request, helper_request, wire::kMaxCommandBytes);
SERIN_CODEC(HelperReply, decode_helper_reply, helper_reply, wire::kMaxCommandBytes);

#undef SERIN_CODEC

/// What every reader owes for any bytes: a clear error, or a valid value that survives the way out
/// and in again. Returns what is wrong, or nothing.
template <typename Message>
std::string broken_promise(std::span<const uint8_t> bytes) {
  const auto message = Codec<Message>::decode(bytes);
  if (!message) return message.error().message.empty() ? "an error without words" : "";
  if (const auto outcome = Codec<Message>::check(*message); !outcome)
    return outcome.error().message;
  const auto again = Codec<Message>::decode(wire::encode(*message));
  if (!again) return "what was read cannot be written: " + again.error().message;
  return *again == *message ? "" : "what was read is not what is written";
}

}  // namespace serin::test
