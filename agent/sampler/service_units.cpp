#include <fmt/core.h>

#include <algorithm>

#include "agent/sampler/service_watch.h"
#include "common/log.h"

// What ServiceWatch does with the word of a unit.

namespace serin::agent {

void ServiceWatch::follow_unit() {
  auto watch = CgroupWatch::make(
      env_.loop, {.emptied = [this] { unit_->ask(); },
                  .killed_for_memory = [this](uint64_t kills) { killed_for_memory(kills); }});
  if (watch) {
    group_watch_ = std::move(*watch);
  } else {
    log::warning("{}: {}", service_.name, watch.error().message);
  }
  const auto& units = std::get<ServiceFile::ByUnit>(service_.process).units;
  unit_ = std::make_unique<UnitService>(*env_.units, units, env_.cgroups, unit_handlers());
}

UnitFollower::Handlers ServiceWatch::unit_handlers() {
  return {.began = [this](const UnitProcess& process) { unit_began(process); },
          .ended = [this](const UnitEnd& end) { unit_ended(end); },
          .carried_on = [this](const UnitProcess& process) { unit_carried_on(process); },
          .failed = [this](const std::string& reason) { unit_failed(reason); },
          .rests = [this](bool asked) { unit_rests(asked); }};
}

void ServiceWatch::unit_began(const UnitProcess& process) {
  Moment now = env_.clock.now();
  Start start{.generation = process.generation, .pid = process.pid, .at = now};
  if (process.start_wall_us > 0 && process.start_wall_us < now.wall_us) {
    auto ago_us = static_cast<uint64_t>(now.wall_us - process.start_wall_us);
    start.at = {.boot_us = now.boot_us - std::min(ago_us, now.boot_us),
                .wall_us = process.start_wall_us};
  }
  if (process.gone) return announce_ended(start);
  auto probe = ServiceProbe::open(process.pid, unit_->folders_of(process), env_.probe);
  if (!probe) return announce_ended(start);  // the word about its end is on its way
  if (group_watch_) group_watch_->follow(unit_->folder_of(process));
  begin(std::move(start), std::move(*probe), now);
}

void ServiceWatch::unit_ended(const UnitEnd& end) {
  word_timer_.stop();
  Ending ending{.status = end.status, .asked = end.asked, .reason = end.reason};
  if (running_ && running_->start.generation == end.generation) return end_generation(ending);
  Moment now = env_.clock.now();
  ended_us_ = now.boot_us;
  send_died(end.generation, ending, now);
}

void ServiceWatch::unit_carried_on(const UnitProcess& process) {
  word_timer_.stop();
  if (!running_) return;
  auto probe = ServiceProbe::open(process.pid, unit_->folders_of(process), env_.probe);
  if (!probe) return;  // its end is told next
  running_->start.pid = process.pid;
  running_->probe = std::move(*probe);
  if (running_->sockets) running_->sockets->follow(process.pid);
  running_->last = running_->probe.read();
  running_->ended.reset();
  if (facts_) facts_->started(process.pid, env_.clock.now());
  watch_exit();
}

void ServiceWatch::unit_failed(const std::string& reason) {
  Moment now = env_.clock.now();
  Event failed = event(EventKind::unit_failed, now);
  if (const GenerationRecord* last = env_.journal.last(service_.name)) {
    failed.generation = last->generation;
    failed.version = last->version;
  }
  failed.reason = reason;
  log::warning("{}: its unit failed: {}", service_.name, reason);
  env_.uplink.send(std::move(failed), now.boot_us);
}

/// The agent comes and nothing runs. Where somebody wants it so, that is told, as the process may
/// have been stopped while no agent looked: a process that is merely gone is an alarm.
void ServiceWatch::unit_rests(bool asked) {
  Moment now = env_.clock.now();
  const GenerationRecord* last = env_.journal.last(service_.name);
  if (asked && last != nullptr) send_died(last->generation, {.asked = true}, now);
  open_empty_span(now);
}

/// The main process may live on: then nobody else tells of it.
void ServiceWatch::killed_for_memory(uint64_t kills) {
  Moment now = env_.clock.now();
  Event killed = event(EventKind::facts, now);
  if (running_) {
    killed.generation = running_->start.generation;
    killed.version = running_->version;
  }
  killed.reason = fmt::format("the kernel killed {} of its processes: out of memory", kills);
  killed.facts = {{"oom_kills", std::to_string(kills)}};
  log::warning("{}: {}", service_.name, killed.reason);
  env_.uplink.send(std::move(killed), now.boot_us);
}

/// Version 1 tells of nothing by itself: what its count says is told here.
void ServiceWatch::tell_kills(const ProcessMetrics& process) {
  const bool told = group_watch_ && group_watch_->hears_of_kills();
  if (!told && process.oom_kills > 0U) killed_for_memory(*process.oom_kills);
}

bool ServiceWatch::is_blind() const {
  return !unit_->heard() || (!running_ && !unit_->problem().empty());
}

}  // namespace serin::agent
