#include "agent/rollback/readiness.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/rollback/candidates.h"
#include "agent/rollback/conditions.h"
#include "agent/rollback/drill.h"
#include "agent/rollback/inspect.h"
#include "agent/rollback/standing.h"

namespace serin::helper {
namespace {

constexpr size_t kMostCandidates = 3;  // each is looked at as closely as a command's target

/// Whether versions come from a folder of releases.
bool has_folder(const ServiceFile& service) {
  return package_of(service) == nullptr && releases_of(service).has_value();
}

/// What is there comes first; where nothing is seen lying there (a repository, a command's own
/// place), what was confirmed.
std::vector<std::string> candidates(const ServiceFile& service, const Standing& standing,
                                    const Settings& settings, const std::string& current) {
  auto names = versions_there(service, settings);
  if (!has_folder(service)) {
    for (const Word& word : standing.words()) names.push_back(word.version);
  }
  std::erase_if(names, [&](const std::string& name) {
    return name == current || standing.is_condemned(name);
  });
  if (names.size() > kMostCandidates) names.resize(kMostCandidates);
  return names;
}

struct Readiness {
  Ready ready = Ready::no;
  std::string text;
  std::string target;
};

Readiness not_ready(std::string text) {
  return {.ready = Ready::no, .text = std::move(text), .target = {}};
}

Readiness not_ready(const Refused& refused) {
  return not_ready(fmt::format("{}: {}", name(refused.refusal), refused.text));
}

Readiness try_candidates(const ServiceFile& service, const std::string& current,
                         const Settings& settings, const Clock& clock) {
  const Standing standing(settings, service.name);
  Command command{.host = settings.host, .service = service.name};
  command.condemned = current;
  Readiness first = not_ready("target: no other release is there");
  bool none_looked_at = true;
  for (const auto& target : candidates(service, standing, settings, current)) {
    command.target = target;
    const auto possible = check_possible(command, service, settings, clock);
    if (possible) return {.ready = Ready::yes, .text = {}, .target = target};
    if (std::exchange(none_looked_at, false)) first = not_ready(possible.error());
    if (possible.error().refusal != Refusal::target) break;  // the same for each of them
  }
  if (none_looked_at && !has_folder(service) && !service.rollback.empty())
    return {.ready = Ready::unknown, .text = "no version to go back to is known yet", .target = {}};
  return first;
}

Readiness readiness_of(const ServiceFile& service, const Settings& settings, const Clock& clock) {
  if (service.rollback.empty())
    return not_ready(fmt::format("action: the file of {} names no [[rollback]]", service.name));
  if (auto free = check_holds(service.name, settings); !free) return not_ready(free.error());
  const auto seen = inspect(service, settings, clock);
  if (!seen) return not_ready("ambiguous: " + seen.error().message);
  if (seen->running && !seen->running->doubt.empty())
    return not_ready("ambiguous: " + seen->running->doubt);
  const auto& current = seen->running ? seen->running->version : seen->selected;
  if (current.empty()) return not_ready("not_running: nothing runs and nothing is selected");
  return try_candidates(service, current, settings, clock);
}

}  // namespace

void add_readiness(HelperReply& reply, const std::string& name, const Settings& settings,
                   const Clock& clock) {
  const auto service = check_service(name, settings);
  const auto readiness =
      service ? readiness_of(*service, settings, clock) : not_ready(service.error());
  reply.ready = readiness.ready;
  reply.ready_text = readiness.text;
  reply.ready_target = readiness.target;
  if (const auto rehearsal = last_rehearsal(settings.state, name)) {
    reply.rehearsed_seconds = rehearsal->seconds;
    reply.rehearsed_wall_us = rehearsal->wall_us;
  }
  if (service && service->dead_man) reply.dead_man_seconds = service->dead_man->within_seconds;
  reply.confirmed = Standing(settings, name).confirmed();
}

}  // namespace serin::helper
