// Two symbols that would tie the programs to a newer glibc than they need. Ours are found first, at link time.
#include <sys/random.h>

#include <cstdint>
#include <cstdlib>

extern "C" {

/// glibc has it since 2.36; the static libstdc++ takes it for std::random_device.
uint32_t arc4random() {
  uint32_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) std::abort();
  return value;
}

#ifdef __x86_64__
/// 2.35 made a second hypot that leaves errno alone; the first one does as well (-Wl,--wrap=hypot).
double first_hypot(double x, double y);
__asm__(".symver first_hypot, hypot@GLIBC_2.2.5");
double __wrap_hypot(double x, double y) {
  return first_hypot(x, y);
}
#endif
}
