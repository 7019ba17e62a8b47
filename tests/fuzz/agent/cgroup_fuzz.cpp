#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/probe/cgroup_parse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin::agent;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::string_view key : {"usage_usec", "throttled_usec", "throttled_time", "anon",
                               "file_mapped", "pgfault", "oom_kill", "total_rss", ""})
    parse_flat_keyed(text, key);
  parse_nested_sum(text, "rbytes");
  parse_nested_sum(text, "");
  parse_pressure_us(text);
  parse_blkio_reads(text);
  // Read and written come from one file: it has the documented shape for both or for neither.
  if (parse_io_stat(text, "rbytes").has_value() != parse_io_stat(text, "wbytes").has_value())
    std::abort();
  return 0;
}
