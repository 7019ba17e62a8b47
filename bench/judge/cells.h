#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/judge/world.h"
#include "common/error.h"

namespace serin::bench {

/// A size of fleet and of traffic: `canaries` of `hosts`, requests a second and host.
struct Cell {
  uint32_t canaries = 1, hosts = 20;
  double rate = 100;

  [[nodiscard]] std::string name() const;  ///< "1/20x100"
  /// `sockets`: what agents tell of them.
  [[nodiscard]] Scene scene(double watch_seconds, const Sockets& sockets = {}) const;
  /// Every cell has random streams of its own.
  [[nodiscard]] uint64_t seed(uint64_t run_seed) const;
};

/// 1/20, 2/100 and 10/1000 hosts, each at 10, 100 and 1000 requests a second and host.
std::vector<Cell> all_cells();

/// "all", or names with commas between.
Result<std::vector<Cell>> parse_cells(std::string_view text);

}  // namespace serin::bench
