#include "bench/judge/trial.h"

#include <ctime>

#include <cmath>

namespace serin::bench {
namespace {

constexpr double kSampleSeconds = 10;

void note_peaks(Verdict& verdict, const judge::Battery& battery, double at_seconds) {
  for (const judge::Finding& f : battery.findings()) {
    const double share = f.log_evidence / f.threshold;
    Peak& peak = verdict.peaks[f.metric + " " + f.process];
    if (share <= peak.share) continue;
    peak = {.share = share,
            .log_evidence = f.log_evidence,
            .threshold = f.threshold,
            .at_seconds = at_seconds,
            .host = f.host};
  }
}

}  // namespace

double cpu_now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

judge::Options options_for(const Scene& scene, double inflation) {
  judge::Options options;
  options.inflation = inflation;
  options.window_seconds = scene.watch_seconds;
  options.business = {
      {.name = std::string(kOrders), .worse = judge::BusinessCounter::Worse::lower}};
  return options;
}

Trial run_trial(const Scene& scene, uint64_t seed, const std::vector<double>& inflations) {
  Trial trial{.seed = seed};
  double mark = cpu_now();
  const auto spent = [&mark] {
    const double before = mark;
    mark = cpu_now();
    return mark - before;
  };
  World world(scene, seed);
  std::vector<judge::Battery> batteries;
  {
    const auto past = world.history();
    trial.world_seconds += spent();
    for (const double inflation : inflations) {
      batteries.emplace_back(options_for(scene, inflation), past);
      trial.verdicts.push_back({.inflation = inflation});
      for (uint32_t h = 0; h < scene.canaries; ++h) batteries.back().join(h, 0);
    }
    trial.past_seconds += spent();
  }
  world.forget_history();
  while (world.at_seconds() < scene.watch_seconds) {
    world.next();
    trial.world_seconds += spent();
    const double at = world.at_seconds();
    for (size_t i = 0; i < batteries.size(); ++i) {
      batteries[i].step(at, world.canary(), world.baseline());
      Verdict& verdict = trial.verdicts[i];
      if (!verdict.fired && batteries[i].fired()) {
        verdict.fired = *batteries[i].fired();
        verdict.fired_at_seconds = at;
      }
      if (std::fmod(at, kSampleSeconds) == 0) note_peaks(verdict, batteries[i], at);
    }
    trial.step_seconds += spent();
  }
  return trial;
}

}  // namespace serin::bench
