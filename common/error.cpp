#include "common/error.h"

#include <cstdio>
#include <cstdlib>

namespace serin {

void verify_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: this cannot be, ending here: %s\n", file, line, what);
  std::fflush(stderr);
  std::abort();
}

}  // namespace serin
