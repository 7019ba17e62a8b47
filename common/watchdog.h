#pragma once

#include "common/loop.h"

namespace serin {

/// Tells the service manager that the loop turns, three times within the time that it allows
/// (WatchdogSec=), for as long as this lives; a loop that hangs says nothing and is started again.
/// Nothing happens where the manager does not watch us.
class Watchdog {
 public:
  explicit Watchdog(uv_loop_t* loop);

 private:
  UvTimer timer_;
};

}  // namespace serin
