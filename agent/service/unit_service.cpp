#include "agent/service/unit_service.h"

#include "common/log.h"

namespace serin::agent {
namespace {

constexpr size_t kMostProcesses = 512;

}  // namespace

UnitService::UnitService(UnitManager& manager, const std::vector<std::string>& units,
                         CgroupRoots roots, Handlers handlers)
    : manager_(manager), roots_(std::move(roots)), handlers_(std::move(handlers)) {
  auto processes_of = [this](const std::string& cgroup) {
    return cgroup_processes(cgroup_folder(roots_, cgroup), kMostProcesses);
  };
  for (size_t i = 0; i < units.size(); ++i)
    followers_.push_back(std::make_shared<One>(
        One{.unit = units[i], .follower = UnitFollower(handlers_of(i), processes_of)}));
  for (auto& one : followers_)
    manager_.follow(one->unit, [this, weak = std::weak_ptr(one)](const UnitWord& word) {
      auto known = weak.lock();
      if (!known) return;
      if (word.whence != UnitWord::Whence::signal && !std::exchange(known->heard, true)) ++heard_;
      known->follower.take(word);
    });
}

UnitFollower::Handlers UnitService::handlers_of(size_t index) {
  return {.began = [this, index](const UnitProcess& process) { began(index, process); },
          .ended = [this, index](const UnitEnd& end) { ended(index, end); },
          .carried_on =
              [this, index](const UnitProcess& process) {
                if (leads_ == index) handlers_.carried_on(process);
              },
          .failed = [this, index](const std::string& reason) { failed(index, reason); },
          .rests = [this](bool asked) { rests(asked); }};
}

std::optional<size_t> UnitService::latest_running() const {
  std::optional<size_t> latest;
  for (size_t i = 0; i < followers_.size(); ++i)
    if (followers_[i]->follower.running() != nullptr &&
        (!latest || followers_[i]->order > followers_[*latest]->order))
      latest = i;
  return latest;
}

void UnitService::began(size_t index, const UnitProcess& process) {
  followers_[index]->order = ++starts_;
  if (leads_ && leads_ != index) {
    if (process.gone) return;  // the other one still serves
    const UnitProcess* old = followers_[*leads_]->follower.running();
    if (old != nullptr)
      handlers_.ended({.generation = old->generation, .asked = true, .replaced = true});
  }
  leads_ = index;
  handlers_.began(process);
}

void UnitService::ended(size_t index, const UnitEnd& end) {
  if (leads_ != index)
    return log::info("{}: {} ended, another unit runs the service", followers_[index]->unit,
                     end.generation);
  leads_.reset();
  handlers_.ended(end);
  leads_ = latest_running();
  if (leads_) handlers_.began(*followers_[*leads_]->follower.running());
}

void UnitService::failed(size_t index, const std::string& reason) {
  if (leads_ && leads_ != index)
    return log::warning("{}: failed: {}; another unit runs the service", followers_[index]->unit,
                        reason);
  handlers_.failed(followers_.size() == 1 ? reason : followers_[index]->unit + ": " + reason);
}

void UnitService::rests(bool asked) {
  all_asked_ = all_asked_ && asked;
  if (heard() && !leads_) handlers_.rests(all_asked_);
}

void UnitService::process_ended(const ExitStatus& status) {
  if (!leads_) return;
  followers_[*leads_]->follower.process_ended(status);
  ask();
}

void UnitService::ask() {
  if (leads_) manager_.ask(followers_[*leads_]->unit);
}

void UnitService::give_up() {
  if (leads_) followers_[*leads_]->follower.give_up();
}

bool UnitService::awaits_word() const {
  return leads_ && followers_[*leads_]->follower.awaits_word();
}

bool UnitService::side_by_side() const {
  size_t running = 0;
  for (const auto& one : followers_) running += one->follower.running() != nullptr ? 1 : 0;
  return running > 1;
}

}  // namespace serin::agent
