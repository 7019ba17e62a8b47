#include "schema/wire.h"

#include <cstring>

#include "schema/wire_buffer.h"

namespace serin::wire {
namespace {

constexpr size_t kAlignment = alignof(uint64_t);
constexpr size_t kIdentifierBegin = 4;  ///< after the root's offset
constexpr size_t kIdentifierEnd = 8;

}  // namespace

Result<Buffer> Buffer::open(std::span<const uint8_t> bytes, std::string_view message,
                            const char* identifier, size_t most_bytes) {
  if (bytes.size() > most_bytes) {
    return fail(fmt::format("{}: {} bytes, more than {}", message, bytes.size(), most_bytes));
  }
  if (bytes.size() < kIdentifierEnd)
    return fail(fmt::format("{}: torn ({} bytes)", message, bytes.size()));
  if (!flatbuffers::BufferHasIdentifier(bytes.data(), identifier)) {
    const std::string found(bytes.begin() + kIdentifierBegin, bytes.begin() + kIdentifierEnd);
    return fail(fmt::format("{}: unsupported identifier '{}', this version of Serin reads {}",
                            message, plain_text(found, found.size()), identifier));
  }
  Buffer buffer;
  buffer.data_ = bytes.data();
  buffer.size_ = bytes.size();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kAlignment != 0) {
    buffer.copy_ = std::make_unique<uint64_t[]>(bytes.size() / kAlignment + 1);
    std::memcpy(buffer.copy_.get(), bytes.data(), bytes.size());
    buffer.data_ = reinterpret_cast<const uint8_t*>(buffer.copy_.get());
  }
  return buffer;
}

}  // namespace serin::wire
