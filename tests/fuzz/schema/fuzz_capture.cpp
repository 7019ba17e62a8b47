#include "schema/capture.h"

// Any line: an error with words, or a value that survives being written and read again.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto line = serin::capture::parse({reinterpret_cast<const char*>(data), size});
  if (!line) {
    SERIN_VERIFY(!line.error().message.empty());
    return 0;
  }
  const auto again = serin::capture::parse(serin::capture::format(*line));
  SERIN_VERIFY(again && *again == *line);
  return 0;
}
