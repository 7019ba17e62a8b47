#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/judge/cells.h"
#include "bench/judge/commands.h"
#include "bench/judge/heap.h"
#include "bench/judge/trial.h"

// What judging costs: CPU of a step, of taking in the past, and memory. Times are also given as
// multiples of a bare pass over the same data in the same run, which machines agree on.

namespace serin::bench {
namespace {

constexpr double kSettledSeconds = 600;  // from here on nothing may be allocated
constexpr int kPasses = 20;              // of the bare pass, which is too short for the clock

struct Settings {
  std::string cells = "1/20x100,10/1000x100";
  double watch_seconds = 900;
  uint64_t seed = 1;
  std::string json;
};

/// Sums requests, errors and buckets: the least that anybody who compares hosts must do.
class BarePass {
 public:
  void step(std::span<const judge::HostStep> steps) {
    for (const judge::HostStep& s : steps) {
      requests_ += s.requests;
      errors_ += s.errors;
      if (!s.latency) continue;
      const auto counts = s.latency->counts();
      uint64_t* into = buckets_.data() + (s.latency->offset() - ExpHistogram::kMinIndex);
      for (size_t i = 0; i < counts.size(); ++i) into[i] += counts[i];
    }
  }
  [[nodiscard]] uint64_t sum() const {
    uint64_t all = requests_ + errors_;
    for (const uint64_t b : buckets_) all += b;
    return all;
  }

 private:
  uint64_t requests_ = 0, errors_ = 0;
  std::array<uint64_t, ExpHistogram::kMaxIndex - ExpHistogram::kMinIndex + 1> buckets_{};
};

struct Cost {
  double past_seconds = 0, step_seconds = 0, bare_seconds = 0;
  HeapUse past, first_ten_minutes, after;
};

Cost measure(const Scene& scene, uint64_t seed) {
  Cost cost;
  World world(scene, seed);
  std::optional<judge::Battery> battery;
  {
    auto past = world.history();
    const judge::Options options = options_for(scene, judge::kInflation);
    const double begin = cpu_now();
    {
      const HeapCount count(cost.past);
      battery.emplace(options, past);
    }
    cost.past_seconds = cpu_now() - begin;
  }
  world.forget_history();
  for (uint32_t h = 0; h < scene.canaries; ++h) battery->join(h, 0);
  BarePass bare;
  while (world.at_seconds() < scene.watch_seconds) {
    world.next();
    double begin = cpu_now();
    for (int i = 0; i < kPasses; ++i) {
      bare.step(world.canary());
      bare.step(world.baseline());
    }
    cost.bare_seconds += (cpu_now() - begin) / kPasses;
    begin = cpu_now();
    {
      const bool settled = world.at_seconds() > kSettledSeconds;
      const HeapCount count(settled ? cost.after : cost.first_ten_minutes);
      battery->step(world.at_seconds(), world.canary(), world.baseline());
    }
    cost.step_seconds += cpu_now() - begin;
  }
  if (bare.sum() == 0) fmt::print(stderr, "nothing was served\n");  // and the pass is not removed
  cost.step_seconds /= scene.watch_seconds;
  cost.bare_seconds /= scene.watch_seconds;
  return cost;
}

nlohmann::json report(const Cell& cell, const Cost& cost) {
  const int64_t bytes = cost.past.bytes + cost.first_ten_minutes.bytes;
  fmt::print("{}, all metrics, every host at 1 s:\n", cell.name());
  fmt::print("  a step        {:8.1f} µs = {:.0f} bare passes ({:.2f} µs)\n",
             1e6 * cost.step_seconds, cost.step_seconds / cost.bare_seconds,
             1e6 * cost.bare_seconds);
  fmt::print("  the past      {:8.1f} ms = {:.0f} bare passes, once\n", 1e3 * cost.past_seconds,
             cost.past_seconds / cost.bare_seconds);
  fmt::print("  memory        {:8.1f} KiB after ten minutes\n", static_cast<double>(bytes) / 1024);
  fmt::print("  after that    {} allocations, {} bytes\n", cost.after.allocations,
             cost.after.bytes);
  return {{"cell", cell.name()},
          {"step_seconds", cost.step_seconds},
          {"bare_pass_seconds", cost.bare_seconds},
          {"step_in_bare_passes", cost.step_seconds / cost.bare_seconds},
          {"past_seconds", cost.past_seconds},
          {"past_in_bare_passes", cost.past_seconds / cost.bare_seconds},
          {"bytes_after_ten_minutes", bytes},
          {"allocations_after_ten_minutes", cost.after.allocations},
          {"growth_after_ten_minutes", cost.after.bytes}};
}

}  // namespace

int cost(int argc, char** argv) {
  Settings settings;
  CLI::App app(
      "What judging costs. Exits with 1 if anything is allocated after the first ten minutes.");
  app.add_option("--cells", settings.cells, "all, or like 1/20x10,2/100x1000");
  app.add_option("--watch", settings.watch_seconds, "seconds, more than 600");
  app.add_option("--seed", settings.seed);
  app.add_option("--json", settings.json, "file for the figures");
  CLI11_PARSE(app, argc, argv);
  const auto cells = parse_cells(settings.cells);
  if (!cells) {
    fmt::print(stderr, "{}\n", cells.error().message);
    return 2;
  }
  nlohmann::json json;
  bool constant = true;
  for (const Cell& cell : *cells) {
    Scene scene = cell.scene(settings.watch_seconds);
    scene.baseline = Scene::Baseline::each_host;
    const Cost result = measure(scene, cell.seed(settings.seed));
    json.push_back(report(cell, result));
    constant &= result.after.allocations == 0;
  }
  if (!settings.json.empty()) std::ofstream(settings.json) << json.dump(1) << '\n';
  return constant ? 0 : 1;
}

}  // namespace serin::bench
