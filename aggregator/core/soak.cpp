#include "aggregator/core/soak.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "aggregator/core/state.h"

namespace serin::core {
namespace {

constexpr int64_t kLateUs = 20'000'000;  ///< a block is looked at once samples of it may have come
constexpr double kBlockSeconds = 10;
/// Of the deploy's probability of a false rollback, in addition to it.
constexpr double kSoakShare = 0.1;

double age_at(const Track& track, int64_t at_us) {
  return std::max(0.0, static_cast<double>(at_us - track.generation_since_us) / 1e6);
}

judge::HostStep step_of_block(const Track& track, const History::Block& block) {
  return {.host = track.index,
          .age_seconds = age_at(track, block.index * History::kBlockUs),
          .rss_bytes = block.rss_bytes,
          .fds = block.fds,
          .threads = block.threads};
}

judge::Options options_of(const Policy& policy, double youngest_seconds) {
  judge::Options options;
  options.false_rollback_probability = kSoakShare * policy.false_rollback_probability;
  options.slopes_from_seconds = 2 * youngest_seconds;
  options.window_seconds = youngest_seconds + policy.soak_seconds;
  options.step_seconds = kBlockSeconds;
  return options;
}

}  // namespace

void Fold::State::begin_soak(Service& service, Deploy& deploy) {
  const Policy& policy = policies.of(service.name);
  if (policy.soak_seconds <= 0 || deploy.same_name) return;
  std::vector<uint32_t> hosts;
  double youngest_seconds = HUGE_VAL;
  for (const Canary& canary : deploy.canaries) {
    if (canary.left) continue;
    hosts.push_back(canary.host);
    youngest_seconds = std::min(youngest_seconds, age_at(*service.tracks[canary.host], now_us));
  }
  if (hosts.empty()) return;
  const int64_t length_us = static_cast<int64_t>(policy.soak_seconds * 1e6);
  service.soak = std::make_unique<Soak>(
      Soak{.deploy = deploy.id,
           .version = deploy.version,
           .hosts = hosts,
           .baseline_versions = deploy.baseline_versions,
           .from_us = now_us,
           .until_us = now_us + length_us,
           .next_block = now_us / History::kBlockUs + 1,
           .battery = judge::Battery(options_of(policy, youngest_seconds), {})});
  for (const uint32_t host : hosts) service.soak->battery.join(host, 0);
  deploy.note(now_us, "soaking", "",
              fmt::format("watched on for leaks for {:.0f} min", policy.soak_seconds / 60));
}

/// Block after block; ends with the time, with the last of its hosts, or with a leak.
void Fold::State::soak(Service& service) {
  while (service.soak && now_us >= (service.soak->next_block + 1) * History::kBlockUs + kLateUs) {
    soak_block(service, *service.soak, service.soak->next_block++);
  }
}

void Fold::State::soak_block(Service& service, Soak& soak, int64_t index) {
  Deploy* const deploy = deploy_by_id(soak.deploy);
  std::erase_if(soak.hosts, [&](uint32_t host) {
    const Track& track = *service.tracks[host];
    const bool left = track.gone || track.version != soak.version;
    if (left) soak.battery.leave(host);
    return left;
  });
  const bool over = index * History::kBlockUs >= soak.until_us;
  if (deploy == nullptr || deploy->open() || soak.hosts.empty() || over) {
    if (deploy != nullptr && over) deploy->note(now_us, "soaked", "", "no leak was found");
    service.soak.reset();
    return;
  }
  std::vector<judge::HostStep> canary, baseline;
  const Policy& policy = policies.of(service.name);
  for (const auto& track : service.tracks) {
    const bool ours = std::ranges::find(soak.hosts, track->index) != soak.hosts.end();
    const bool theirs =
        std::ranges::find(soak.baseline_versions, track->version) != soak.baseline_versions.end() &&
        !in_deploy(service, track->index, deploy) &&
        age_at(*track, index * History::kBlockUs) >= policy.baseline_age_seconds;
    if (!ours && (!theirs || track->version == soak.version)) continue;
    const History::Block* block = track->history.find(index, track->version);
    if (block != nullptr) (ours ? canary : baseline).push_back(step_of_block(*track, *block));
  }
  const int64_t end_us = (index + 1) * History::kBlockUs;
  const int64_t first_us = (soak.from_us / History::kBlockUs + 1) * History::kBlockUs;
  soak.battery.step(static_cast<double>(end_us - first_us) / 1e6, canary, baseline);
  const judge::Finding* fired = soak.battery.fired();
  if (fired == nullptr) return;
  deploy->fired_edge_seconds.reset();
  const MetricView decisive = view_of(*fired, *deploy, service);
  Reason reason = reason_of(decisive);
  reason.text = fmt::format("{}; it rises since the version passed", decisive.text);
  // A later stage of the same version is put back with it.
  Deploy* const next = open_deploy(service.name, soak.version);
  service.soak.reset();
  if (next != nullptr) decide_rollback(service, *next, reason, {});
  decide_rollback(service, *deploy, std::move(reason), {});
}

}  // namespace serin::core
