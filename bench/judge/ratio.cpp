#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/judge/pooled_fleet.h"

// How far the judge is from what information allows: mean delay over Wald's bound (log(1 / alpha)
// over relative entropy a second, at least 1 s) for six regressions, one canary of a thousand equal
// hosts, rates such that the bound is about 20 s. Beside it, on request, what the same setting does
// to harmless watches of an uneven fleet.

namespace serin::bench {
namespace {

constexpr double kAlpha = 0.01;
constexpr double kLongest = 800;  // s; a watch that has found nothing by then counts as so long
constexpr uint32_t kDeploysPerPast = 10;
// With metrics absent the others share their alpha. The figure is for a service that shows all of
// them: errors, four thresholds and the histogram then hold so much of the whole.
constexpr double kPartJudged = 0.66 / 0.95;

struct Case {
  const char* name;
  PooledWorld world;
};

std::vector<Case> cases() {
  const PooledWorld base{.canaries = 1, .hosts = 1000};
  const auto with = [&](double rate, auto change) {
    PooledWorld w = base;
    w.rate = rate;
    change(w);
    return w;
  };
  return {
      {"errors x5", with(57, [](auto& w) { w.more_errors = 5; })},
      {"errors x10", with(16, [](auto& w) { w.more_errors = 10; })},
      {"errors x50", with(2, [](auto& w) { w.more_errors = 50; })},
      {"latency +25 %", with(3, [](auto& w) { w.slower = 1.25; })},
      {"slowest 1.5 % x2", with(12, [](auto& w) { w.latencies = Latencies::tail_twice; })},
      {"2 % of requests +1 s", with(3, [](auto& w) { w.latencies = Latencies::second_mode; })},
  };
}

std::vector<Case> harmless() {
  const auto cell = [](uint32_t canaries, uint32_t hosts, double rate, double warm) {
    PooledWorld w{.canaries = canaries, .hosts = hosts, .rate = rate, .unrest = kUnrest};
    w.unrest.warmup_latency *= warm;
    w.unrest.warmup_errors *= warm;
    w.history_hosts = 40;
    w.history_blocks = 180;
    return w;
  };
  return {
      {"1/20 x 10", cell(1, 20, 10, 1)},
      {"1/20 x 100", cell(1, 20, 100, 1)},
      {"1/20 x 1000", cell(1, 20, 1000, 1)},
      {"10/1000 x 1000", cell(10, 1000, 1000, 1)},
      {"1/20 x 100, no warm-up", cell(1, 20, 100, 0)},
      {"1/20 x 1000, no warm-up", cell(1, 20, 1000, 0)},
      {"10/1000 x 1000, no warm-up", cell(10, 1000, 1000, 0)},
  };
}

struct Settings {
  int deploys = 300;
  int harmless = 0;  // watches a cell
  uint64_t seed = 1;
  std::vector<double> inflations = {1, 5, 10, 20, 30};
  bool json = false, causes = false;
  std::string only;
};

struct Outcome {
  double seconds = HUGE_VAL;
  std::string cause;
};

Outcome watch(const PooledWorld& world, const Past& past, uint32_t first, uint64_t seed,
              double longest, const judge::Options& options) {
  PooledFleet fleet(world, past, first, seed, longest);
  judge::Battery battery(options, past.history(first));
  for (uint32_t i = 0; i < world.canaries; ++i) battery.join((first + i) % past.hosts(), 0);
  while (fleet.at() < longest) {
    fleet.next();
    battery.step(fleet.at(), fleet.canary, fleet.baseline);
    if (const judge::Finding* found = battery.fired()) {
      return {.seconds = fleet.at(),
              .cause = found->metric + " " + found->process + (found->host ? " host" : "")};
    }
  }
  return {};
}

std::vector<Outcome> watches(const Case& c, int count, double longest, const Settings& settings,
                             const judge::Options& options) {
  std::vector<Outcome> out(static_cast<size_t>(count));
  std::atomic<int> next_group{0};
  const int groups =
      (count + static_cast<int>(kDeploysPerPast) - 1) / static_cast<int>(kDeploysPerPast);
  const auto work = [&] {
    for (int group = next_group++; group < groups; group = next_group++) {
      const auto seed = settings.seed * 1'000'003 + static_cast<uint64_t>(group) * 1009;
      const Past past(c.world, seed);
      for (uint32_t i = 0; i < kDeploysPerPast; ++i) {
        const auto at = static_cast<size_t>(group) * kDeploysPerPast + i;
        if (at >= out.size()) break;
        out[at] = watch(c.world, past, i * c.world.canaries, seed * 31 + i + 1, longest, options);
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back(work);
  }
  threads.clear();
  return out;
}

judge::Options options_of(double inflation, bool fade) {
  judge::Options o;
  o.false_rollback_probability = kAlpha * kPartJudged;
  o.inflation = inflation;
  o.window_seconds = 900;
  if (!fade) o.warmup_factor_errors = o.warmup_factor_latency = 1;
  return o;
}

double mean_ratio(const Case& c, const std::vector<Outcome>& outcomes) {
  const double bound = -std::log(kAlpha) / (c.world.rate * information(c.world));
  double sum = 0;
  for (const Outcome& o : outcomes) sum += std::min(o.seconds, kLongest);
  return sum / static_cast<double>(outcomes.size()) / std::max(bound, 1.0);
}

void say_causes(const std::vector<Outcome>& outcomes) {
  std::map<std::string, std::pair<int, double>> by;
  for (const Outcome& o : outcomes) {
    if (o.cause.empty()) continue;
    ++by[o.cause].first;
    by[o.cause].second += o.seconds;
  }
  for (const auto& [cause, n] : by) {
    fmt::print(stderr, "    {}: {} (mean {:.0f} s)\n", cause, n.first, n.second / n.first);
  }
}

void ratios(const Settings& s, bool fade) {
  if (!s.json) {
    fmt::print("mean delay / Wald's bound, {} deploys, {}\n", s.deploys,
               fade ? "default warm-up margin" : "warm-up known to be nil");
    fmt::print("| alphas |");
    for (const Case& c : cases()) fmt::print(" {} |", c.name);
    fmt::print(" geometric mean |\n");
  }
  for (const double inflation : s.inflations) {
    std::string row;
    double logs = 0;
    int counted = 0;
    for (const Case& c : cases()) {
      if (!s.only.empty() && std::string(c.name).find(s.only) == std::string::npos) continue;
      const auto outcomes = watches(c, s.deploys, kLongest, s, options_of(inflation, fade));
      const double ratio = mean_ratio(c, outcomes);
      if (s.causes) say_causes(outcomes);
      logs += std::log(ratio);
      ++counted;
      if (s.json) {
        row += fmt::format("\"{}\":{:.4f},", c.name, ratio);
      } else {
        row += fmt::format(" {:.2f} |", ratio);
      }
    }
    const double mean = std::exp(logs / counted);
    if (s.json) {
      fmt::print("{{\"fade\":{},\"inflation\":{:g},\"deploys\":{},{}\"geometric_mean\":{:.4f}}}\n",
                 fade, inflation, s.deploys, row, mean);
    } else {
      fmt::print("| x{:g} |{} {:.2f} |\n", inflation, row, mean);
    }
    std::fflush(stdout);
  }
}

void alarms(const Settings& s) {
  if (!s.json) fmt::print("harmless watches of 900 s put back, of {} a cell\n", s.harmless);
  for (const double inflation : s.inflations) {
    for (const Case& c : harmless()) {
      if (!s.only.empty() && std::string(c.name).find(s.only) == std::string::npos) continue;
      const auto outcomes = watches(c, s.harmless, 900, s, options_of(inflation, true));
      const auto fired = std::count_if(outcomes.begin(), outcomes.end(),
                                       [](const Outcome& o) { return !o.cause.empty(); });
      if (s.json) {
        fmt::print("{{\"cell\":\"{}\",\"inflation\":{:g},\"watches\":{},\"fired\":{}}}\n", c.name,
                   inflation, s.harmless, fired);
      } else {
        fmt::print("| x{:g} | {} | {} |\n", inflation, c.name, fired);
      }
      if (s.causes) say_causes(outcomes);
      std::fflush(stdout);
    }
  }
}

template <class T>
bool number(std::string_view text, T& into) {
  return std::from_chars(text.data(), text.data() + text.size(), into).ec == std::errc{};
}

constexpr const char* kUsage =
    "serin-bench-ratio [--deploys N] [--inflation X,Y…] [--seed N] [--harmless WATCHES] "
    "[--only CASE] [--fade-only | --nil-only | --no-ratio] [--causes] [--json]\n";

int run(int argc, char** argv) {
  Settings s;
  bool nil = true, fade = true;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    bool understood = true;
    if (arg == "--deploys") {
      understood = number(value(), s.deploys) && s.deploys > 0;
    } else if (arg == "--harmless") {
      understood = number(value(), s.harmless);
    } else if (arg == "--seed") {
      understood = number(value(), s.seed);
    } else if (arg == "--inflation") {
      s.inflations.clear();
      std::istringstream list(value());
      for (std::string item; std::getline(list, item, ',');) {
        understood = understood && number(item, s.inflations.emplace_back());
      }
      understood = understood && !s.inflations.empty();
    } else if (arg == "--only") {
      s.only = value();
    } else if (arg == "--fade-only") {
      nil = false;
    } else if (arg == "--nil-only") {
      fade = false;
    } else if (arg == "--no-ratio") {
      nil = fade = false;
    } else if (arg == "--causes") {
      s.causes = true;
    } else if (arg == "--json") {
      s.json = true;
    } else {
      understood = false;
    }
    if (!understood) {
      fmt::print(stderr, "{}", kUsage);
      return 2;
    }
  }
  if (nil) ratios(s, false);
  if (fade) ratios(s, true);
  if (s.harmless > 0) alarms(s);
  return 0;
}

}  // namespace
}  // namespace serin::bench

int main(int argc, char** argv) {
  return serin::bench::run(argc, argv);
}
