// A journal after power cuts and bad disks: read to its last sound line, or refused as damaged.
// What was read must be read again from the part that is kept.

#include <cstdlib>
#include <string_view>

#include "agent/rollback/attempt.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin::helper;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = parse_record(text);
  if (!record) return 0;
  if (record->sound_bytes > size || record->entries.empty()) std::abort();
  const auto again = parse_record(text.substr(0, record->sound_bytes));
  if (!again || again->entries.size() != record->entries.size()) std::abort();
  if (again->sound_bytes != record->sound_bytes) std::abort();
  static_cast<void>(progress_of(*record, "boot"));
  static_cast<void>(progress_of(*record, "boot", "back_"));
  static_cast<void>(command_of(*record));
  return 0;
}
