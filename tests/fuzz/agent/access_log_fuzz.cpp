#include <cstdint>
#include <string_view>

#include "agent/request/log_format.h"
#include "common/error.h"

// The first line of the input is a log format (or a preset's name), each further one a line of that
// log.

namespace {

using serin::agent::LogFields;
using serin::agent::LogFormat;

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void parse_line(LogFormat& format, std::string_view line, LogFields& fields) {
  if (!format.parse(line, fields)) return;
  SERIN_VERIFY(fields.wanted.size() == 2);
  SERIN_VERIFY(lies_in(fields.version, line) && lies_in(fields.request, line));
  for (auto value : fields.wanted) SERIN_VERIFY(lies_in(value, line));
  if (fields.status)
    SERIN_VERIFY(*fields.status == 0 || (*fields.status >= 100 && *fields.status <= 599));
  if (fields.seconds) SERIN_VERIFY(*fields.seconds >= 0 && *fields.seconds <= 1e9);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t end = text.find('\n');
  std::string_view head = text.substr(0, end);
  auto format = LogFormat::compile(head, {.version_field = {}, .fields = {"$uri", "status"}});
  if (!format)
    format = LogFormat::compile("json", {.version_field = "version", .fields = {"$uri", "status"}});
  SERIN_VERIFY(format.has_value());
  LogFields fields;
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find('\n');
    parse_line(*format, text.substr(0, end), fields);
  }
  return 0;
}
