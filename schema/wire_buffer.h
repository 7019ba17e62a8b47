#pragma once

#include <flatbuffers/flatbuffers.h>

#include <memory>

#include "schema/fields.h"
#include "schema/messages.h"
#include "schema/text.h"

// What all messages share on their way into and out of FlatBuffers. Used by wire_*.cpp only.

namespace serin::wire {

// No message of ours nests deeper than 3 tables, or holds more than 3 vectors of kMetrics or kFacts
// tables.
inline constexpr uint32_t kMaxDepth = 8;
inline constexpr uint32_t kMaxTables = 1024;

/// A verified message, aligned as FlatBuffers needs it: bytes from a bus or a socket begin
/// anywhere.
class Buffer {
 public:
  /// Errors: too long, too short, an identifier other than `identifier` ("unsupported").
  static Result<Buffer> open(std::span<const uint8_t> bytes, std::string_view message,
                             const char* identifier, size_t most_bytes);
  template <typename Table>
  Result<const Table*> root(std::string_view message, const char* identifier) const {
    flatbuffers::Verifier verifier(data_, size_, kMaxDepth, kMaxTables);
    if (!verifier.VerifyBuffer<Table>(identifier)) {
      return fail(fmt::format("{}: torn or malformed ({} bytes)", message, size_));
    }
    return flatbuffers::GetRoot<Table>(data_);
  }

 private:
  std::unique_ptr<uint64_t[]> copy_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// Opens the buffer, and hands the root and a collector of faults to `read`, which returns the
/// plain value.
template <typename Table, typename Read>
auto decode(std::span<const uint8_t> bytes, std::string_view message, const char* identifier,
            size_t most_bytes, Read read)
    -> Result<std::invoke_result_t<Read, const Table&, Fields&>> {
  const auto buffer = Buffer::open(bytes, message, identifier, most_bytes);
  if (!buffer) return std::unexpected(buffer.error());
  const auto root = buffer->template root<Table>(message, identifier);
  if (!root) return std::unexpected(root.error());
  Fields faults(message);
  auto value = read(**root, faults);
  if (auto outcome = faults.outcome(); !outcome) return std::unexpected(outcome.error());
  return value;
}

// ---- reading: what would make a value too large, or no value of its type, is a fault here;
// meaning is check.h's

inline std::string text(const flatbuffers::String* from, std::string_view field, Fields& faults,
                        size_t most = limits::kTextBytes) {
  if (from == nullptr) return {};
  if (from->size() > most) {
    faults.fault(field, fmt::format("is longer than {} bytes", most));
    return {};
  }
  return from->str();
}

inline Bytes bytes(const flatbuffers::Vector<uint8_t>* from) {
  if (from == nullptr) return {};
  return {from->begin(), from->end()};
}

/// `last` is the greatest value this build knows.
template <typename To, typename From>
To known(From value, From last, std::string_view field, Fields& faults) {
  if (value > last) {
    faults.fault(field,
                 fmt::format("{} is unknown to this version of Serin", static_cast<int>(value)));
    return To{};
  }
  return static_cast<To>(value);
}

/// How many elements to read: none, with a fault, where there are more than `most`.
template <typename Vector>
uint32_t count_of(const Vector* from, std::string_view field, size_t most, Fields& faults) {
  if (from == nullptr) return 0;
  if (from->size() <= most) return from->size();
  faults.fault(field, fmt::format("has {} entries, more than {}", from->size(), most));
  return 0;
}

// ---- writing

using Builder = flatbuffers::FlatBufferBuilder;
using TextOffset = flatbuffers::Offset<flatbuffers::String>;

/// Empty texts are left out.
inline TextOffset put(Builder& builder, std::string_view text) {
  return text.empty() ? TextOffset{} : builder.CreateString(text.data(), text.size());
}
/// For fields that a buffer must have.
inline TextOffset put_always(Builder& builder, std::string_view text) {
  return builder.CreateString(text.data(), text.size());
}
/// For sentences, which may hold what a program printed: made plain and cut, so that they never
/// spoil a message.
inline TextOffset put_sentence(Builder& builder, std::string_view text,
                               size_t most = limits::kTextBytes) {
  return put(builder, plain_text(text, most));
}
/// A number that is not finite is not a number: absent.
inline std::optional<double> finite(std::optional<double> value) {
  return value && std::isfinite(*value) ? value : std::nullopt;
}

inline Bytes finished(const Builder& builder) {
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

}  // namespace serin::wire
