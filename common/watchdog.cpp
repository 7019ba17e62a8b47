#include "common/watchdog.h"

#include <algorithm>

#include "common/service_manager.h"

namespace serin {

Watchdog::Watchdog(uv_loop_t* loop) : timer_(loop, [] { notify_manager("WATCHDOG=1"); }) {
  const auto within = watchdog_time();
  if (!within) return;
  const auto every = std::chrono::duration_cast<std::chrono::milliseconds>(*within / 3).count();
  timer_.start(0, static_cast<uint64_t>(std::max<int64_t>(every, 1)));
}

}  // namespace serin
