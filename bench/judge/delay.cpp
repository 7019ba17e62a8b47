#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "bench/judge/pooled_fleet.h"

// Delays of the judge beside those of its reference, on the same streams: reads what
// delay_reference.py writes. A canary of k hosts comes as a pool and is dealt out to k equal hosts;
// the history is drawn from the levels of the hosts that the reference drew.

namespace serin::bench {
namespace {

struct Cell {
  std::string effect;
  uint32_t canaries = 0, hosts = 0;
  double rate = 0;
  size_t deploys = 0, seconds = 0, buckets = 0, levels = 0;
  bool latency = false;
};

struct Deploy {
  double reference = 0;
  std::vector<double> latency_level, errors_level;
  std::vector<int32_t> canary_errors, canary_fine, baseline_errors, baseline_fine;
  std::vector<int32_t> canary_latency, baseline_latency;
};

template <class T>
void read(std::istream& in, std::vector<T>& into, size_t count) {
  into.resize(count);
  in.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(count * sizeof(T)));
}

Deploy read_deploy(std::istream& in, const Cell& c) {
  Deploy d;
  in.read(reinterpret_cast<char*>(&d.reference), sizeof d.reference);
  read(in, d.latency_level, c.levels);
  read(in, d.errors_level, c.levels);
  for (auto* counts : {&d.canary_errors, &d.canary_fine, &d.baseline_errors, &d.baseline_fine}) {
    read(in, *counts, c.seconds);
  }
  if (c.latency) {
    read(in, d.canary_latency, c.seconds * c.buckets);
    read(in, d.baseline_latency, c.seconds * c.buckets);
  }
  return d;
}

/// The reference's buckets are two of ours wide, from 8 ms on; ours begin at 2^-7 s, which moves
/// all latencies by the same 2 %. What falls on either half is even odds, as the reference's own
/// interpolation has it.
constexpr int32_t kFirstBucket = -58;

struct Dealt {
  std::vector<ExpHistogram> histograms;
  std::vector<uint64_t> errors, requests;
};

/// Deals a pool's second out to `hosts` equal hosts.
void deal(Rng& rng, const int32_t* latency, size_t buckets, int32_t errors, int32_t fine,
          size_t hosts, Dealt& out) {
  out.histograms.resize(hosts);
  out.errors.assign(hosts, 0);
  out.requests.assign(hosts, 0);
  for (auto& h : out.histograms) h.clear();
  const auto part = [&](int64_t count, size_t of) {
    return of <= 1 ? count
                   : std::binomial_distribution<int64_t>(count, 1.0 / static_cast<double>(of))(rng);
  };
  const auto spread = [&](int64_t count, const auto& give) {
    for (size_t h = 0; h < hosts; ++h) {
      const int64_t mine = part(count, hosts - h);
      count -= mine;
      if (mine > 0) give(h, static_cast<uint64_t>(mine));
    }
  };
  spread(errors, [&](size_t h, uint64_t n) { out.errors[h] += n; });
  if (!latency) {
    spread(errors + fine, [&](size_t h, uint64_t n) { out.requests[h] += n; });
    for (size_t h = 0; h < hosts; ++h) out.requests[h] = std::max(out.requests[h], out.errors[h]);
    return;
  }
  for (size_t b = 0; b < buckets; ++b) {
    const int64_t low = part(latency[b], 2);
    for (int32_t half = 0; half < 2; ++half) {
      const int32_t index = kFirstBucket + 2 * static_cast<int32_t>(b) + half;
      const double at = ExpHistogram::upper_bound(index) * (1 - 1e-9);
      spread(half == 0 ? low : latency[b] - low,
             [&](size_t h, uint64_t n) { out.histograms[h].record(at, n); });
    }
  }
  for (size_t h = 0; h < hosts; ++h) out.requests[h] = out.histograms[h].total();
}

void put(const Dealt& dealt, const Cell& c, bool canary, size_t second,
         std::vector<judge::HostStep>& out) {
  out.clear();
  for (size_t h = 0; h < dealt.requests.size(); ++h) {
    if (canary && dealt.requests[h] == 0) continue;  // its report is missing
    judge::HostStep step;
    step.host = static_cast<uint32_t>(h) + (canary ? 0 : 1'000'000);
    step.age_seconds = canary ? static_cast<double>(second) : 1e6;
    step.requests = dealt.requests[h];
    step.errors = c.latency ? 0 : dealt.errors[h];  // the reference judges one or the other
    if (c.latency) step.latency = &dealt.histograms[h];
    out.push_back(step);
  }
}

double seconds_to_fire(const Cell& c, const Deploy& d, uint64_t seed, double inflation) {
  PooledWorld world{.canaries = c.canaries, .hosts = c.hosts, .rate = c.rate, .unrest = kUnrest};
  world.history_blocks = 180;
  const Past past(world, d.latency_level, d.errors_level, c.latency, seed);
  judge::Options options;
  options.inflation = inflation;
  options.window_seconds = static_cast<double>(c.seconds);
  // Metrics that are not in the stream keep their share of alpha.
  options.false_rollback_probability = 0.01 * (c.latency ? 0.66 : 0.30) / 0.95;
  judge::Battery battery(options, past.history(0));
  for (uint32_t h = 0; h < c.canaries; ++h) battery.join(h, 0);
  Rng rng(seed + 1);
  Dealt mine, others;
  std::vector<judge::HostStep> canary, baseline;
  for (size_t t = 0; t < c.seconds; ++t) {
    const auto histogram = [&](const std::vector<int32_t>& all) {
      return c.latency ? all.data() + t * c.buckets : nullptr;
    };
    deal(rng, histogram(d.canary_latency), c.buckets, d.canary_errors[t], d.canary_fine[t],
         c.canaries, mine);
    deal(rng, histogram(d.baseline_latency), c.buckets, d.baseline_errors[t], d.baseline_fine[t], 2,
         others);
    put(mine, c, true, t, canary);
    put(others, c, false, t, baseline);
    battery.step(static_cast<double>(t + 1), canary, baseline);
    if (battery.fired()) return static_cast<double>(t + 1);
  }
  return std::numeric_limits<double>::infinity();
}

double quantile(std::vector<double> times, double q) {
  std::sort(times.begin(), times.end());
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(times.size())));
  return times[std::clamp<size_t>(rank, 1, times.size()) - 1];
}

std::string shown(double seconds) {
  return std::isfinite(seconds) ? fmt::format("{:.0f}", seconds) : "-";
}

bool read_cell(std::istream& in, Cell& c) {
  std::string line;
  if (!std::getline(in, line)) return false;
  const size_t bar = line.find('|');
  if (!line.starts_with("cell ") || bar == std::string::npos) {
    throw std::runtime_error("not a stream of delay_reference.py: " + line.substr(0, 60));
  }
  c.effect = line.substr(5, bar - 5);
  std::istringstream rest(line.substr(bar + 1));
  rest >> c.canaries >> c.hosts >> c.rate >> c.deploys >> c.seconds >> c.latency >> c.buckets >>
      c.levels;
  return static_cast<bool>(rest);
}

int run(double inflation) {
  fmt::print("median/p95 of the delay, s; alphas x{:g}; the reference at its nominal alpha\n",
             inflation);
  fmt::print(
      "| effect | canary/fleet x req/s | reference | this judge | not later "
      "|\n|---|---|---|---|---|\n");
  bool kept = true;
  Cell c;
  while (read_cell(std::cin, c)) {
    std::vector<double> reference, own;
    for (size_t i = 0; i < c.deploys; ++i) {
      const Deploy d = read_deploy(std::cin, c);
      if (!std::cin) throw std::runtime_error("the stream ends within a deploy");
      reference.push_back(d.reference);
      own.push_back(seconds_to_fire(c, d, 977 + i, inflation));
    }
    const double theirs = quantile(reference, .5), ours = quantile(own, .5);
    const bool fine = ours <= theirs + std::max(1.0, .05 * theirs);
    kept &= fine;
    fmt::print("| {} | {}/{} x {:g} | {}/{} | {}/{} | {} |\n", c.effect, c.canaries, c.hosts,
               c.rate, shown(theirs), shown(quantile(reference, .95)), shown(ours),
               shown(quantile(own, .95)), fine ? "yes" : "NO");
    std::fflush(stdout);
  }
  return kept ? 0 : 1;
}

}  // namespace
}  // namespace serin::bench

int main(int argc, char** argv) {
  double inflation = serin::judge::Options{}.inflation;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--inflation") == 0 && i + 1 < argc) {
      inflation = std::strtod(argv[++i], nullptr);
    } else {
      inflation = 0;
    }
  }
  if (!(inflation > 0)) {
    fmt::print(stderr, "delay_reference.py --reference DIR | serin-bench-delay [--inflation X]\n");
    return 2;
  }
  try {
    return serin::bench::run(inflation);
  } catch (const std::exception& e) {
    fmt::print(stderr, "serin-bench-delay: {}\n", e.what());
    return 2;
  }
}
