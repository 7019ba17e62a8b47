#include <cstdint>
#include <string_view>

#include "agent/facts/files.h"
#include "agent/facts/host_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin::agent;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  parse_limits(text);
  parse_cpu_max(text);
  parse_most(text);
  parse_unified_group(text);
  parse_cpu_model(text);
  parse_memory_total(text);
  parse_chosen(text);
  in_one_line(text);
  hash_of_dpkg_status(text);
  recent_packages(text, "2026");
  return 0;
}
