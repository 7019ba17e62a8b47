#pragma once

#include <cstdint>
#include <string>

#include "common/error.h"

namespace serin::agent {

/// One instant on both clocks that matter: boot time orders and measures, wall time is for logs and
/// people.
struct Moment {
  uint64_t boot_us = 0;  ///< CLOCK_BOOTTIME
  int64_t wall_us = 0;   ///< CLOCK_REALTIME
};

/// Where the agent's time comes from; tests move their own.
class HostClock {
 public:
  virtual ~HostClock() = default;
  [[nodiscard]] virtual Moment now() const;
};

/// The kernel's random id of this boot.
Result<std::string> read_boot_id();

/// When a process began, from its start ticks (10 ms apart, rounded down), as of the clocks at
/// `now`.
Moment moment_of_ticks(uint64_t start_ticks, const Moment& now);
/// The inverse: the tick that holds a wall-clock time.
uint64_t ticks_of_wall(int64_t wall_us, const Moment& now);

}  // namespace serin::agent
