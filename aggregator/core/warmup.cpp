#include <fmt/format.h>

#include "aggregator/core/state.h"
#include "aggregator/core/warmup_json.h"

// Restarts of good versions, and what they teach for the next deploy.

namespace serin::core {

/// Whether this start can teach: the version is known to be good and takes part in no watch, and
/// the process before it did not end while it still warmed up itself.
void Fold::State::follow_restart(Service& service, const Track& track, int64_t same_since_us) {
  service.learner.forget(track.index);
  if (track.generation_since_us == 0 || track.ambiguous || !service.settled(track.version)) return;
  const bool again =
      same_since_us != 0 && track.generation_since_us - same_since_us < WarmupLearner::kFollowUs;
  if (again || open_deploy(service.name, track.version) != nullptr) return;
  service.learner.begin(service.tracks, track.index, track.version, track.generation_since_us);
}

void Fold::State::learn_warmups(Service& service) {
  for (const auto& lesson : service.learner.finished(now_us)) {
    judge::WarmupProfile next = service.warmup ? *service.warmup : judge::WarmupProfile{};
    next.learn(lesson.restart);
    const std::string& host = service.tracks[lesson.host]->host;
    Decision decision;
    decision.effect_id = fmt::format("{}|{}/warmup//{}", service.name, host, lesson.started_us);
    decision.kind = DecisionKind::warmup;
    decision.service = service.name;
    decision.version = lesson.version;
    decision.at_us = now_us;
    decision.input_sequence = last_sequence;
    decision.hosts = {host};
    decision.warmup_json = to_json(next);
    decision.reason.text =
        fmt::format("how {} warms up was seen on {}: {} restart{} learnt from", lesson.version,
                    host, next.restarts, next.restarts == 1 ? "" : "s");
    const auto fact = facts.find(decision.effect_id);
    take_warmup(service, fact != facts.end() ? fact->second.warmup_json : decision.warmup_json);
    emit(std::move(decision));
  }
}

/// The longer record stands: audit, stream and this fold's own lessons tell the same story, some
/// from further back. What was written is what is used, so that every reader uses the same.
void Fold::State::take_warmup(Service& service, const std::string& json) {
  auto profile = warmup_from_json(json);
  if (!profile || (service.warmup && service.warmup->restarts >= profile->restarts)) return;
  service.warmup = std::make_shared<const judge::WarmupProfile>(*profile);
}

std::vector<Control> Fold::warmups() const {
  std::vector<Control> out;
  for (const auto& [name, service] : state_->services) {
    if (!service.warmup) continue;
    Control control;
    control.kind = ControlKind::warmup;
    control.service = name;
    control.warmup_json = to_json(*service.warmup);
    out.push_back(std::move(control));
  }
  return out;
}

}  // namespace serin::core
