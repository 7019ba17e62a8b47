#include <cstdint>
#include <string_view>

#include "agent/rollback/libraries.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  serin::helper::executable_files({reinterpret_cast<const char*>(data), size});
  return 0;
}
