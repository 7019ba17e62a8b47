#pragma once

#include <functional>

#include "common/loop.h"

namespace serin::agent {

/// Turns the loop until `done` or 10 s have passed; false when they have.
inline bool run_until(UvLoop& loop, const std::function<bool()>& done) {
  bool late = false;
  UvTimer limit(loop.get(), [&] { late = true; });
  limit.start(10'000);
  while (!done() && !late) loop.run_once();
  return done();
}

}  // namespace serin::agent
