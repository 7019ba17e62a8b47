#include <fmt/format.h>

#include <algorithm>

#include "aggregator/core/state.h"

// Where root lets a host go back by itself (dead_man.seconds), it goes only to a version that was confirmed once, and
// never away from one that is. So what is held healthy is confirmed, by a signed command.

namespace serin::core {
namespace {

constexpr int64_t kWellUs = 60'000'000;  ///< a canary that has served for so long, and looks well
constexpr double kHalf = 0.5;            ///< of a threshold: below it nothing points at the release

/// Nothing that is judged has come half the way to a rollback.
bool looks_well(const Deploy& deploy, uint32_t host) {
  const auto findings = deploy.findings();
  return deploy.canary_requests > 0 && std::ranges::none_of(findings, [&](const judge::Finding& finding) {
    const bool about = !finding.host || *finding.host == host;
    return about && finding.log_evidence >= kHalf * finding.threshold;
  });
}

}  // namespace

bool Fold::State::held_healthy(const Service& service, const Track& track) const {
  for (const auto& deploy : deploys) {
    if (!deploy->open() || deploy->service != service.name || deploy->version != track.version) continue;
    const auto canary = std::ranges::find(deploy->canaries, track.index, &Canary::host);
    if (canary == deploy->canaries.end() || canary->left) continue;
    const int64_t since_us = std::max(canary->joined_us, track.phase_since_us);
    return deploy->verdict.empty() && now_us - since_us >= kWellUs && looks_well(*deploy, track.index);
  }
  return service.settled(track.version) && !service.condemned(track.version, now_us);
}

void Fold::State::confirm_versions(Service& service) {
  for (const auto& each : service.tracks) {
    Track& track = *each;
    if (track.facts.value("dead_man.seconds") == nullptr) continue;
    const std::string* confirmed = track.facts.value("dead_man.confirmed");
    if (confirmed != nullptr && *confirmed == track.version) continue;
    const bool sure = !track.version.empty() && !track.ambiguous && !track.gone && track.phase == Phase::serving &&
                      now_us - track.last_heard_us <= kSilentUs && !books[track.host].in_conflict(now_us);
    // One message a host and service: a confirm must not take the place of what has not been answered.
    if (!sure || subject_busy(service.name, track.host) || !held_healthy(service, track)) continue;
    Track::Confirm& sent = track.confirm;
    if (sent.version != track.version || sent.generation != track.generation) {
      sent = {.version = track.version, .generation = track.generation, .since_us = now_us};
    } else if (now_us < sent.next_issue_us) {
      continue;
    }
    ++sent.revision;
    sent.next_issue_us = now_us + (sent.revision < 3 ? kUnansweredUs : kReissueUs);
    effects.emplace_back(confirm_for(service, track));
  }
}

CommandOrder Fold::State::confirm_for(const Service& service, const Track& track) const {
  const Track::Confirm& sent = track.confirm;
  const std::string about = fmt::format("{}@{}", sent.version, sent.since_us);
  CommandOrder order;
  order.effect_id = fmt::format("{}|{}/confirm/{}/{}", service.name, about, track.host, sent.revision);
  order.command.id = command_id(about, track.host, service.name, "confirm", 0);
  order.command.revision = sent.revision;
  order.command.deploy = about;  // never empty: an empty one marks what a helper did by itself
  order.command.host = track.host;
  order.command.service = service.name;
  order.command.kind = CommandKind::confirm;
  order.command.target = sent.version;
  order.command.issued_us = now_us;
  order.command.not_after_us = now_us + track.wall_offset_us + kCommandLifeUs;
  return order;
}

}  // namespace serin::core
