#include <fmt/format.h>

#include <algorithm>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

// Limits that need no statistics. They act on canary hosts only, and each waits for what distinguishes the release's
// fault from an agent's, a bus's or a person's.

namespace serin::core {
namespace {

constexpr int64_t kCrashLoopUs = 60'000'000;
constexpr int kCrashLoopEnds = 3;
constexpr int64_t kProcessGoneUs = 10'000'000;  ///< a supervisor would have restarted it by now
constexpr int64_t kSloWindowSeconds = 10;

/// A fleet in which other hosts run out of memory too does so without the release.
constexpr int64_t kOomElsewhereUs = 3'600'000'000;

}  // namespace

bool tells_of_oom(const Event& event) {
  return event.reason == "oom-kill" ||
         std::ranges::any_of(event.facts, [](const auto& fact) { return fact.first == "oom_kills"; });
}

void Fold::State::guard_memory(Service& service, Deploy& deploy, const Track& track, const Event& event) {
  if (!event.version.empty() && event.version != deploy.version) return;
  const auto elsewhere = std::ranges::find_if(service.tracks, [&](const auto& other) {
    return deploy.find(other->index) == nullptr && other->oom_us > now_us - kOomElsewhereUs;
  });
  if (elsewhere != service.tracks.end()) {
    deploy.note(now_us, "oom", track.host,
                fmt::format("out of memory on {}, and on {} without the release", track.host, (*elsewhere)->host));
    return;
  }
  guardrail(service, deploy, "oom", track.host,
            fmt::format("the kernel killed {} on {}: out of memory", deploy.version, track.host));
}

void Fold::State::guard_events(Service& service, Track& track, const Event& event) {
  for (size_t i = 0; i < deploys.size(); ++i) {
    Deploy& deploy = *deploys[i];
    if (deploy.service != service.name || !deploy.open()) continue;
    const Canary* canary = deploy.find(track.index);
    if (canary == nullptr || canary->left) continue;
    if (event.kind == EventKind::unit_failed) {
      guardrail(service, deploy, "unit_failed", track.host,
                fmt::format("the unit failed on {}{}{}", track.host, event.reason.empty() ? "" : ": ",
                            event.reason));
    } else if (event.kind == EventKind::silent) {
      guardrail(service, deploy, "silent", track.host,
                fmt::format("{} has fallen silent since {} started", track.host, deploy.version));
    } else if (event.kind == EventKind::facts) {
      guard_memory(service, deploy, track, event);
    } else if (event.kind == EventKind::process_died) {
      const auto& last = track.deaths.back();
      if (last.version != deploy.version) continue;
      if (tells_of_oom(event)) guard_memory(service, deploy, track, event);
      std::string how;
      if (event.signal) how = fmt::format(" (signal {})", *event.signal);
      if (event.exit_code) how = fmt::format(" (exit status {})", *event.exit_code);
      deploy.note(last.at_us, "process_died", track.host, fmt::format("{} ended{}", deploy.version, how));
      const auto ends = std::ranges::count_if(track.deaths, [&](const Track::Death& death) {
        return death.version == deploy.version && death.at_us >= canary->joined_us &&
               last.at_us - death.at_us <= kCrashLoopUs;
      });
      if (ends >= kCrashLoopEnds) {
        guardrail(service, deploy, "crash_loop", track.host,
                  fmt::format("{} ended {} times within {:.0f} s on {}{}", deploy.version, ends,
                              static_cast<double>(last.at_us - canary->joined_us) / 1e6, track.host, how));
      }
    }
  }
}

/// Silence, a process that stays away, and one that answers nothing.
void Fold::State::guard_time(Service& service) {
  size_t hosts = 0, heard = 0;
  for (const auto& track : service.tracks) {
    if (track->gone) continue;
    ++hosts;
    if (now_us - track->last_heard_us <= kHeardUs) ++heard;
  }
  for (size_t i = 0; i < deploys.size(); ++i) {
    Deploy& deploy = *deploys[i];
    if (deploy.service != service.name || !deploy.open() || !deploy.verdict.empty()) continue;
    for (const Canary& canary : deploy.canaries) {
      const Track& track = *service.tracks[canary.host];
      // A host that was not heard since it joined (dead long before a later stage opened) tells nothing of this deploy.
      if (canary.left || track.gone || track.last_heard_us < canary.joined_us ||
          books[track.host].in_conflict(now_us)) {
        continue;
      }
      // After the stream stood still every host has time to come back before its silence counts.
      const int64_t since_us = std::max({track.last_heard_us, gap_to_us, canary.joined_us});
      const bool itself_heard = now_us - track.last_heard_us <= kHeardUs;
      const size_t others = hosts - 1, others_heard = heard - (itself_heard ? 1 : 0);
      const int64_t limit_us =
          std::max<int64_t>(kSilentUs, 3 * static_cast<int64_t>(track.interval_us) + 5 * kSecondUs);
      const bool fast = track.interval_us <= 1'500'000;
      if (now_us - since_us >= (fast ? kSilentUs : limit_us) && others > 0 && others_heard * 2 >= others) {
        guardrail(service, deploy, "silent", track.host,
                  fmt::format("{} has been silent for {:.0f} s since {} started there", track.host,
                              static_cast<double>(now_us - track.last_heard_us) / 1e6, deploy.version));
        break;
      }
      const int64_t in_phase_us = now_us - std::max(track.phase_since_us, canary.joined_us);
      if (track.phase == Phase::down && track.fell && track.phase_since_us >= canary.joined_us && itself_heard &&
          in_phase_us >= kProcessGoneUs) {
        guardrail(service, deploy, "process_gone", track.host,
                  fmt::format("{} ended on {} and nothing has run there for {:.0f} s", deploy.version,
                              track.host, static_cast<double>(in_phase_us) / 1e6));
        break;
      }
      if (track.phase == Phase::not_serving && track.phase_since_us >= canary.joined_us) {
        guardrail(service, deploy, "not_serving", track.host,
                  fmt::format("{} runs on {} and has answered no request", deploy.version, track.host));
        break;
      }
    }
  }
}

/// The fixed limit on errors: a share over the last 10 s of one canary host.
void Fold::State::guard_limits(Service& service, Deploy& deploy, int64_t second) {
  const Policy& policy = policies.of(service.name);
  uint64_t others = 0, others_failed = 0;
  for (const auto& s : deploy.baseline_recent) {
    if (s.second > second - kSloWindowSeconds) others += s.requests, others_failed += s.errors;
  }
  // Hosts without the deploy are over the limit too: not this release's fault.
  const bool everywhere = others > 0 && static_cast<double>(others_failed) >
                                            policy.slo_errors * static_cast<double>(others);
  for (Canary& canary : deploy.canaries) {
    while (!canary.recent.empty() && canary.recent.front().second <= second - kSloWindowSeconds) {
      canary.recent.pop_front();
    }
    if (policy.slo_errors <= 0 || everywhere || canary.left) continue;
    uint64_t requests = 0, errors = 0;
    for (const auto& s : canary.recent) requests += s.requests, errors += s.errors;
    if (requests < static_cast<uint64_t>(policy.slo_min_requests)) continue;
    const double rate = static_cast<double>(errors) / static_cast<double>(requests);
    if (rate > policy.slo_errors) {
      guardrail(service, deploy, "slo", canary.name,
                fmt::format("errors {} on {} within 10 s, above the fixed limit of {}",
                            words_percent(rate), canary.name, words_percent(policy.slo_errors)));
      return;
    }
  }
}

void Fold::State::guardrail(Service& service, Deploy& deploy, const std::string& name,
                            const std::string& host, std::string text) {
  if (!deploy.verdict.empty()) return;
  Reason reason{.kind = ReasonKind::guardrail, .metric = name, .host = host, .text = std::move(text)};
  if (name == "slo" && deploy.canary_requests > 0) {
    reason.canary = static_cast<double>(deploy.canary_errors) / static_cast<double>(deploy.canary_requests);
    if (deploy.baseline_requests > 0) {
      reason.baseline =
          static_cast<double>(deploy.baseline_errors) / static_cast<double>(deploy.baseline_requests);
    }
  }
  decide_rollback(service, deploy, std::move(reason), {});
}

}  // namespace serin::core
