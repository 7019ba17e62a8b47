#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/judge/cells.h"
#include "bench/judge/proportion.h"
#include "bench/judge/trial.h"

// A/A: how often a healthy version would be put back. Watches of fleets in which nothing is wrong,
// judged by the whole battery.

namespace serin::bench {
namespace {

constexpr double kMostPooled = 0.01;  // what Serin promises
// One cell may have bad luck: so many rollbacks of so many watches, in proportion.
constexpr double kMostInCell = 2, kCellRuns = 222;

struct Settings {
  std::string cells = "all";
  size_t runs = 20;
  uint64_t first_seed = 100000;
  std::vector<double> inflations = {1};
  double watch_seconds = 900;
  unsigned threads = 2;
  bool sockets = false;
  std::string json;
};

std::vector<Trial> run_cell(const Cell& cell, const Settings& settings) {
  std::vector<Trial> trials(settings.runs);
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t run = next++; run < trials.size(); run = next++) {
      const uint64_t seed = cell.seed(settings.first_seed + run);
      const Scene scene =
          cell.scene(settings.watch_seconds, settings.sockets ? kUnevenSockets : Sockets{});
      trials[run] = run_trial(scene, seed, settings.inflations);
      trials[run].seed = settings.first_seed + run;
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < std::max(settings.threads, 1U); ++t) threads.emplace_back(work);
  threads.clear();
  return trials;
}

std::string scope_of(const std::optional<uint32_t>& host) {
  return host ? fmt::format("host {}", *host) : "pool";
}

/// The highest of all peaks of one inflation, by "metric process".
std::map<std::string, std::pair<Peak, uint64_t>> highest(const std::vector<Trial>& trials,
                                                         size_t inflation) {
  std::map<std::string, std::pair<Peak, uint64_t>> out;
  for (const Trial& trial : trials) {
    for (const auto& [name, peak] : trial.verdicts[inflation].peaks) {
      auto& best = out[name];
      if (peak.share > best.first.share) best = {peak, trial.seed};
    }
  }
  return out;
}

size_t rollbacks(const std::vector<Trial>& trials, size_t inflation) {
  return static_cast<size_t>(std::count_if(trials.begin(), trials.end(), [&](const Trial& t) {
    return t.verdicts[inflation].fired.has_value();
  }));
}

void print_cell(const Cell& cell, const std::vector<Trial>& trials, const Settings& settings) {
  double world = 0, past = 0, step = 0;
  for (const Trial& t : trials) {
    world += t.world_seconds;
    past += t.past_seconds;
    step += t.step_seconds;
  }
  const double n = static_cast<double>(trials.size());
  fmt::print("{}: {} watches; CPU seconds a watch: world {:.2f}, batteries {:.2f} + {:.2f}\n",
             cell.name(), trials.size(), world / n, past / n, step / n);
  for (size_t i = 0; i < settings.inflations.size(); ++i) {
    fmt::print("  x{:<4g} {} of {} rolled back", settings.inflations[i], rollbacks(trials, i),
               trials.size());
    std::vector<std::pair<double, std::string>> near;
    for (const auto& [name, peak] : highest(trials, i)) {
      near.emplace_back(peak.first.share, fmt::format("{} {:.2f}", name, peak.first.share));
    }
    std::sort(near.rbegin(), near.rend());
    near.resize(std::min<size_t>(near.size(), 4));
    fmt::print("; nearest:");
    for (const auto& [share, text] : near) fmt::print(" {};", text);
    fmt::print("\n");
    for (const Trial& t : trials) {
      const Verdict& v = t.verdicts[i];
      if (!v.fired) continue;
      fmt::print("        seed {}: {} {} ({}) at {:.0f} s, evidence {:.1f} of {:.1f}\n", t.seed,
                 v.fired->metric, v.fired->process, scope_of(v.fired->host), v.fired_at_seconds,
                 v.fired->log_evidence, v.fired->threshold);
    }
  }
  std::fflush(stdout);
}

nlohmann::json as_json(const Cell& cell, const std::vector<Trial>& trials,
                       const Settings& settings) {
  nlohmann::json out;
  out["cell"] = cell.name();
  out["runs"] = trials.size();
  double world = 0, past = 0, step = 0;
  for (const Trial& t : trials) {
    world += t.world_seconds / static_cast<double>(trials.size());
    past += t.past_seconds / static_cast<double>(trials.size());
    step += t.step_seconds / static_cast<double>(trials.size());
  }
  out["cpu_seconds_per_watch"] = {{"world", world}, {"past", past}, {"steps", step}};
  for (size_t i = 0; i < settings.inflations.size(); ++i) {
    nlohmann::json at{{"inflation", settings.inflations[i]}, {"rollbacks", rollbacks(trials, i)}};
    at["fired"] = nlohmann::json::array();
    for (const Trial& t : trials) {
      const Verdict& v = t.verdicts[i];
      if (!v.fired) continue;
      at["fired"].push_back({{"seed", t.seed},
                             {"metric", v.fired->metric},
                             {"process", v.fired->process},
                             {"scope", scope_of(v.fired->host)},
                             {"at_seconds", v.fired_at_seconds},
                             {"log_evidence", v.fired->log_evidence},
                             {"threshold", v.fired->threshold}});
    }
    for (const auto& [name, peak] : highest(trials, i)) {
      at["highest"][name] = {
          {"share", peak.first.share},          {"log_evidence", peak.first.log_evidence},
          {"threshold", peak.first.threshold},  {"at_seconds", peak.first.at_seconds},
          {"scope", scope_of(peak.first.host)}, {"seed", peak.second}};
    }
    out["inflations"].push_back(std::move(at));
  }
  return out;
}

/// Whether every inflation held its promise.
bool conclude(const std::vector<std::vector<size_t>>& by_cell, const Settings& settings,
              nlohmann::json& json) {
  bool held = true;
  const double allowed = std::max(
      kMostInCell, std::floor(kMostInCell * static_cast<double>(settings.runs) / kCellRuns));
  for (size_t i = 0; i < settings.inflations.size(); ++i) {
    size_t all = 0, worst = 0;
    for (const auto& cell : by_cell) {
      all += cell[i];
      worst = std::max(worst, cell[i]);
    }
    const size_t runs = settings.runs * by_cell.size();
    const double bound = upper_bound_95(all, runs);
    const bool ok = bound <= kMostPooled && static_cast<double>(worst) <= allowed;
    held &= ok;
    fmt::print(
        "all cells x{:g}: {} of {} rolled back, {:.2f} %, one-sided 95 % bound {:.2f} %; worst "
        "cell {} ({:g} allowed): {}\n",
        settings.inflations[i], all, runs,
        100 * static_cast<double>(all) / static_cast<double>(runs), 100 * bound, worst, allowed,
        ok ? "held" : "not shown");
    json["pooled"].push_back({{"inflation", settings.inflations[i]},
                              {"rollbacks", all},
                              {"runs", runs},
                              {"upper_bound_95", bound},
                              {"worst_cell", worst},
                              {"held", ok}});
  }
  return held;
}

int run(const Settings& settings) {
  const auto cells = parse_cells(settings.cells);
  if (!cells) {
    fmt::print(stderr, "{}\n", cells.error().message);
    return 2;
  }
  nlohmann::json json{{"first_seed", settings.first_seed},
                      {"runs_per_cell", settings.runs},
                      {"watch_seconds", settings.watch_seconds},
                      {"sockets", settings.sockets}};
  std::vector<std::vector<size_t>> by_cell;
  for (const Cell& cell : *cells) {
    const auto trials = run_cell(cell, settings);
    print_cell(cell, trials, settings);
    auto& counts = by_cell.emplace_back();
    for (size_t i = 0; i < settings.inflations.size(); ++i) counts.push_back(rollbacks(trials, i));
    json["cells"].push_back(as_json(cell, trials, settings));
    if (!settings.json.empty()) std::ofstream(settings.json) << json.dump(1) << '\n';
  }
  const bool held = conclude(by_cell, settings, json);
  if (!settings.json.empty()) std::ofstream(settings.json) << json.dump(1) << '\n';
  return held ? 0 : 1;
}

}  // namespace
}  // namespace serin::bench

int main(int argc, char** argv) {
  serin::bench::Settings settings;
  CLI::App app(
      "How often a healthy version would be put back, in simulated fleets. Exits with 1 unless the "
      "one-sided 95 % bound is at most 1 % and no cell is far off, for every inflation.");
  app.add_option("--cells", settings.cells, "all, or like 1/20x10,2/100x1000");
  app.add_option("--runs-per-cell", settings.runs)->check(CLI::PositiveNumber);
  app.add_option("--first-seed", settings.first_seed);
  app.add_option("--inflation", settings.inflations, "factors on alpha, judged side by side")
      ->delimiter(',');
  app.add_option("--watch", settings.watch_seconds, "seconds");
  app.add_flag("--sockets", settings.sockets, "agents tell of connections, too");
  app.add_option("--threads", settings.threads);
  app.add_option("--json", settings.json, "file for all figures, rewritten after each cell");
  CLI11_PARSE(app, argc, argv);
  return serin::bench::run(settings);
}
