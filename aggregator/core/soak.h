#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aggregator/core/judge/battery.h"

namespace serin::core {

/// A version that passed is watched on for leaks, which take longer than a watch to show: the slopes
/// of memory, descriptors and threads, from the 10 s blocks that the history holds anyway.
struct Soak {
  std::string deploy;  ///< whose pass began it
  std::string version;
  std::vector<uint32_t> hosts;  ///< Track::index, those that still run it
  std::vector<std::string> baseline_versions;
  int64_t from_us = 0, until_us = 0;
  int64_t next_block = 0;  ///< History::Block::index to be looked at next
  judge::Battery battery;
};

}  // namespace serin::core
