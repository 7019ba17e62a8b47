#include "agent/rollback/clock.h"

#include <cerrno>
#include <ctime>

namespace serin::helper {
namespace {

int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * kSecondUs + now.tv_nsec / 1000;
}

}  // namespace

int64_t SystemClock::wall_us() const {
  return read_clock(CLOCK_REALTIME);
}

int64_t SystemClock::boot_us() const {
  return read_clock(CLOCK_BOOTTIME);
}

void SystemClock::pause_us(int64_t duration_us) const {
  timespec left{.tv_sec = duration_us / kSecondUs, .tv_nsec = (duration_us % kSecondUs) * 1000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace serin::helper
