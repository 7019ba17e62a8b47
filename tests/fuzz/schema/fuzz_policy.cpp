#include "schema/policy.h"

// Any text, as the JSON of a policy and as TOML.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto set = serin::policy_from_json(text)) {
    const auto again = serin::policy_from_json(serin::to_json(*set));
    SERIN_VERIFY(again && *again == *set);
  }
  if (auto table = serin::ConfigTable::parse_text(text, "fuzz.toml")) {
    serin::policy_from_config(*table);
    static_cast<void>(table->finish());
  }
  return 0;
}
