#pragma once

#include <functional>

#include "common/loop.h"

namespace serin::aggregator {

/// Turns the loop until the condition holds; false after the deadline.
inline bool run_until(UvLoop& loop, const std::function<bool()>& condition, unsigned seconds = 20) {
  bool late = false;
  UvTimer deadline(loop.get(), [&] { late = true; });
  deadline.start(seconds * 1000);
  UvTimer tick(loop.get(), [] {});  // a condition may come true without any event of its own
  tick.start(1, 1);
  while (!condition()) {
    if (late) return false;
    loop.run_once();
  }
  return true;
}

}  // namespace serin::aggregator
