#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "bench/judge/cells.h"
#include "bench/judge/commands.h"
#include "bench/judge/rivals.h"
#include "bench/judge/trial.h"

// Serin and other judges on the same streams: what each puts back of healthy versions, and how soon
// it finds what is wrong.

namespace serin::bench {
namespace {

struct Settings {
  std::string cells = "1/20x10,1/20x100,2/100x1000,10/1000x1000";
  size_t runs = 20;
  uint64_t first_seed = 100000;
  double watch_seconds = 900, inflation = judge::kInflation, onset_seconds = 0;
  std::string json;
};

struct Case {
  const char* name;
  Effect effect;
};

const Case kCases[] = {
    {"A/A", {}},
    {"errors x2", {.errors = 2}},
    {"errors x5", {.errors = 5}},
    {"errors x10", {.errors = 10}},
    {"errors x50", {.errors = 50}},
    {"latency +10 %", {.latency = 1.1}},
    {"latency +25 %", {.latency = 1.25}},
    {"latency +50 %", {.latency = 1.5}},
    {"latency +100 %", {.latency = 2}},
    {"slowest 1.5 % x2", {.shape = LatencyShape::slow_tail}},
    {"2 % of requests +1 s", {.shape = LatencyShape::bimodal}},
};

constexpr const char* kJudges[] = {"Serin",   "Kayenta, end", "Kayenta, peeked",
                                   "Flagger", "Argo",         "z-test"};
constexpr size_t kJudgeCount = std::size(kJudges);

Cohort cohort_of(std::span<const judge::HostStep> steps) {
  Cohort out;
  for (const judge::HostStep& s : steps) {
    out.requests += s.requests;
    out.errors += s.errors;
    if (s.latency) out.latency.merge(*s.latency);
  }
  return out;
}

/// When each judge fires, infinity for never.
std::array<double, kJudgeCount> times_of(const Scene& scene, uint64_t seed, double inflation) {
  World world(scene, seed);
  judge::Battery battery(options_for(scene, inflation), world.history());
  world.forget_history();
  for (uint32_t h = 0; h < scene.canaries; ++h) battery.join(h, 0);
  Rivals rivals(scene.watch_seconds);
  double serin = HUGE_VAL;
  while (world.at_seconds() < scene.watch_seconds) {
    world.next();
    rivals.second(cohort_of(world.canary()), cohort_of(world.baseline()));
    if (serin < HUGE_VAL) continue;
    battery.step(world.at_seconds(), world.canary(), world.baseline());
    if (battery.fired()) serin = world.at_seconds();
  }
  const Rivals::Times& t = rivals.times();
  const auto at = [](const std::optional<double>& time) { return time.value_or(HUGE_VAL); };
  return {serin, at(t.kayenta_end), at(t.kayenta_peeked), at(t.flagger), at(t.argo), at(t.z)};
}

/// Times of one judge over all runs: share that fired, and delays after the onset.
struct Column {
  std::vector<double> times;

  [[nodiscard]] double share_until(double seconds = std::numeric_limits<double>::max()) const {
    const auto n =
        std::count_if(times.begin(), times.end(), [&](double t) { return t <= seconds; });
    return static_cast<double>(n) / static_cast<double>(times.size());
  }
  [[nodiscard]] double quantile(double q) const {
    auto sorted = times;
    std::sort(sorted.begin(), sorted.end());
    const double rank = std::ceil(q * static_cast<double>(sorted.size()));
    return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
  }
};

std::string seconds_text(double seconds) {
  return std::isfinite(seconds) ? fmt::format("{:.0f}", seconds) : "-";
}

std::string text_of(const Column& column, bool healthy, double onset) {
  if (healthy) return fmt::format("{:.1f} %", 100 * column.share_until());
  return fmt::format("{}/{}", seconds_text(column.quantile(0.5) - onset),
                     seconds_text(column.quantile(0.95) - onset));
}

void run_case(const Case& c, const Cell& cell, const Settings& settings, nlohmann::json& json) {
  Scene scene = cell.scene(settings.watch_seconds);
  scene.effect = c.effect;
  scene.effect.onset_seconds = settings.onset_seconds;
  std::array<Column, kJudgeCount> columns;
  for (size_t run = 0; run < settings.runs; ++run) {
    const auto times = times_of(scene, cell.seed(settings.first_seed + run), settings.inflation);
    for (size_t j = 0; j < kJudgeCount; ++j) columns[j].times.push_back(times[j]);
  }
  const bool healthy = &c == &kCases[0];
  fmt::print("| {} | {} |", c.name, cell.name());
  nlohmann::json row{{"case", c.name}, {"cell", cell.name()}};
  for (size_t j = 0; j < kJudgeCount; ++j) {
    fmt::print(" {} |", text_of(columns[j], healthy, settings.onset_seconds));
    auto& out = row["judges"][kJudges[j]];
    out["share"] = columns[j].share_until();
    if (settings.onset_seconds > 0) {
      out["share_before_onset"] = columns[j].share_until(settings.onset_seconds);
    }
    for (const double t : columns[j].times) {
      out["seconds"].push_back(std::isfinite(t) ? nlohmann::json(t) : nlohmann::json());
    }
  }
  fmt::print("\n");
  std::fflush(stdout);
  json["rows"].push_back(std::move(row));
}

}  // namespace

int rivals(int argc, char** argv) {
  Settings settings;
  CLI::App app("Serin and other judges on the same streams.");
  app.add_option("--cells", settings.cells, "all, or like 1/20x10,2/100x1000");
  app.add_option("--runs", settings.runs, "per case and cell")->check(CLI::PositiveNumber);
  app.add_option("--first-seed", settings.first_seed);
  app.add_option("--watch", settings.watch_seconds, "seconds");
  app.add_option("--onset", settings.onset_seconds, "seconds into the watch");
  app.add_option("--inflation", settings.inflation, "of Serin's alpha");
  app.add_option("--json", settings.json, "file for all times");
  CLI11_PARSE(app, argc, argv);
  const auto cells = parse_cells(settings.cells);
  if (!cells) {
    fmt::print(stderr, "{}\n", cells.error().message);
    return 2;
  }
  fmt::print(
      "A/A: share of healthy versions put back within {:g} s. Else: median/p95 of the delay in "
      "s, - = that share was not found.\n\n| effect | fleet |",
      settings.watch_seconds);
  for (const char* name : kJudges) fmt::print(" {} |", name);
  fmt::print("\n|---|---|---|---|---|---|---|---|\n");
  nlohmann::json json{{"runs", settings.runs},
                      {"first_seed", settings.first_seed},
                      {"watch_seconds", settings.watch_seconds},
                      {"onset_seconds", settings.onset_seconds},
                      {"inflation", settings.inflation}};
  for (const Case& c : kCases) {
    for (const Cell& cell : *cells) run_case(c, cell, settings, json);
  }
  if (!settings.json.empty()) std::ofstream(settings.json) << json.dump(1) << '\n';
  return 0;
}

}  // namespace serin::bench
