#include "agent/service/moment.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "common/file.h"

namespace serin::agent {
namespace {

uint64_t us_per_tick() {
  static const uint64_t value = 1'000'000U / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return value;
}

int64_t clock_us(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
}

}  // namespace

Moment HostClock::now() const {
  return {.boot_us = static_cast<uint64_t>(clock_us(CLOCK_BOOTTIME)),
          .wall_us = clock_us(CLOCK_REALTIME)};
}

Result<std::string> read_boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
  if (!text) return std::unexpected(text.error());
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

Moment moment_of_ticks(uint64_t start_ticks, const Moment& now) {
  uint64_t boot_us = start_ticks * us_per_tick();
  auto ago = static_cast<int64_t>(now.boot_us) - static_cast<int64_t>(boot_us);
  return {.boot_us = boot_us, .wall_us = now.wall_us - ago};
}

uint64_t ticks_of_wall(int64_t wall_us, const Moment& now) {
  int64_t boot_us = static_cast<int64_t>(now.boot_us) - (now.wall_us - wall_us);
  return static_cast<uint64_t>(std::max<int64_t>(boot_us, 0)) / us_per_tick();
}

}  // namespace serin::agent
