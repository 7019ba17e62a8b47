#include <cstdint>
#include <string_view>

#include "agent/request/json_line.h"
#include "agent/request/prometheus_line.h"
#include "agent/request/syslog.h"
#include "common/error.h"

// The input is one line: a message of syslog, a JSON object, a sample of Prometheus. What is found
// in it lies in it.

namespace {

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin::agent;
  std::string_view line(reinterpret_cast<const char*>(data), size);
  if (auto message = parse_syslog(line))
    SERIN_VERIFY(lies_in(message->tag, line) && lies_in(message->text, line));
  size_t members = 0;
  for_each_json_member(line, [&](std::string_view key, std::string_view value) {
    SERIN_VERIFY(lies_in(key, line) && lies_in(value, line));
    return ++members < 100;
  });
  SERIN_VERIFY(members <= size);
  if (auto sample = parse_prometheus(line)) {
    SERIN_VERIFY(!sample->name.empty() && lies_in(sample->name, line));
    SERIN_VERIFY(lies_in(sample->labels, line) && lies_in(sample->label("le"), line));
  }
  return 0;
}
