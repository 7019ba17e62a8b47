#include "demo/shop/release.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <fstream>

namespace shop {
namespace {

constexpr std::array kBehaviours = {
    Behaviour{"good-1", "what runs everywhere", [](Traits&) {}},
    Behaviour{"good-2", "nothing wrong: a release like the one before it", [](Traits&) {}},
    Behaviour{"null-field", "reads a field that legacy rows do not have: their pages answer 500",
              [](Traits& traits) { traits.needs_loyalty_tier = true; }},
    Behaviour{"slow-query", "a query without an index: time grows with the customer's orders",
              [](Traits& traits) { traits.scans_orders = true; }},
    Behaviour{"crash-loop", "does not start with production's configuration",
              [](Traits& traits) { traits.timeout_in_seconds = true; }},
};

}  // namespace

std::span<const Behaviour> behaviours() {
  return kBehaviours;
}

serin::Result<Release> load_release(const std::filesystem::path& folder) {
  Release release{.name = folder.filename().string(), .behaviours = {}, .traits = {}};
  const auto file = folder / "behaviour";
  std::ifstream in(file);
  if (!in) return serin::fail(fmt::format("cannot read {}", file.string()));
  std::string line;
  while (std::getline(in, line)) {
    line.resize(std::min(line.find('#'), line.size()));
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    if (line.empty()) continue;
    const auto row = std::ranges::find(kBehaviours, line, &Behaviour::name);
    if (row == kBehaviours.end()) {
      return serin::fail(
          fmt::format("{}: no behaviour '{}' (see shop --behaviours)", file.string(), line));
    }
    row->apply(release.traits);
    release.behaviours.push_back(line);
  }
  return release;
}

serin::Result<std::filesystem::path> own_folder() {
  std::error_code error;
  const auto exe = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return serin::fail(fmt::format("cannot read /proc/self/exe: {}", error.message()));
  return exe.parent_path();
}

}  // namespace shop
