#include "bench/judge/cells.h"

#include <fmt/core.h>

#include <cstdio>

namespace serin::bench {

std::string Cell::name() const {
  return fmt::format("{}/{}x{:g}", canaries, hosts, rate);
}

Scene Cell::scene(double watch_seconds, const Sockets& sockets) const {
  Scene scene{.canaries = canaries,
              .hosts = hosts,
              .requests_per_host = rate,
              .watch_seconds = watch_seconds};
  scene.nature.sockets = sockets;
  return scene;
}

uint64_t Cell::seed(uint64_t run_seed) const {
  const auto per_second = static_cast<uint64_t>(rate);
  return mixed_seed(run_seed, (uint64_t{canaries} << 48) ^ (uint64_t{hosts} << 24) ^ per_second);
}

std::vector<Cell> all_cells() {
  std::vector<Cell> cells;
  for (const auto& [canaries, hosts] : {std::pair{1U, 20U}, {2U, 100U}, {10U, 1000U}}) {
    for (const double rate : {10.0, 100.0, 1000.0}) {
      cells.push_back({.canaries = canaries, .hosts = hosts, .rate = rate});
    }
  }
  return cells;
}

Result<std::vector<Cell>> parse_cells(std::string_view text) {
  if (text == "all") return all_cells();
  std::vector<Cell> cells;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const std::string name(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    Cell cell;
    int used = 0;
    if (std::sscanf(name.c_str(), "%u/%ux%lf%n", &cell.canaries, &cell.hosts, &cell.rate, &used) <
            3 ||
        static_cast<size_t>(used) != name.size() || cell.canaries < 1 ||
        cell.hosts < cell.canaries + 2 || cell.rate < 1) {
      return fail(fmt::format("'{}' is no cell; one is written like 1/20x100", name));
    }
    cells.push_back(cell);
  }
  if (cells.empty()) return fail("no cell is named");
  return cells;
}

}  // namespace serin::bench
