#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/judge/battery.h"
#include "bench/judge/world.h"

// One simulated watch, judged by several batteries that differ in how much their alpha is inflated:
// all of them see the same steps.

namespace serin::bench {

/// How near a process came to firing.
struct Peak {
  double share = 0;  ///< evidence / threshold; 1 fires
  double log_evidence = 0, threshold = 0, at_seconds = 0;
  std::optional<uint32_t> host{};
};

struct Verdict {
  double inflation = 1;
  std::optional<judge::Finding> fired{};  ///< the first
  double fired_at_seconds = 0;
  /// By "metric process", sampled every 10 s: of the process that was nearest then.
  std::map<std::string, Peak> peaks{};
};

struct Trial {
  uint64_t seed = 0;
  std::vector<Verdict> verdicts{};                               ///< one per inflation
  double world_seconds = 0, past_seconds = 0, step_seconds = 0;  ///< CPU: drawing; batteries
};

/// What the benches give the judge: everything the world shows but restarts.
judge::Options options_for(const Scene& scene, double inflation);

/// `seed`: of the world. A trial ends with the watch, whatever fired.
Trial run_trial(const Scene& scene, uint64_t seed, const std::vector<double>& inflations);

/// CPU seconds of this thread.
double cpu_now();

}  // namespace serin::bench
