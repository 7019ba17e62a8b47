#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "demo/load/report.h"
#include "demo/load/traffic.h"

namespace shop {

struct Target {
  std::string name;
  int port = 0;
};

struct RunOptions {
  std::vector<Target> targets;
  double seconds = 0;      ///< 0: until stopped
  long timeout_ms = 5000;  ///< a client's patience
};

/// Sends the traffic at its times, whatever becomes of earlier requests, over kept connections, on
/// one thread. Returns when `stop` is set or the time is over, without waiting for what is under
/// way.
void run_load(const RunOptions& options, Traffic& traffic, Report& report,
              const std::atomic<bool>& stop);

}  // namespace shop
