#include <cstdint>
#include <string_view>

#include "agent/probe/proc_parse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin::agent;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  parse_stat(text);
  parse_statm_resident(text);
  parse_keyed(text, "read_bytes");
  parse_keyed(text, "nonvoluntary_ctxt_switches");
  parse_open_files_limit(text);
  parse_schedstat(text);
  parse_number(text);
  return 0;
}
