#include "agent/rollback/readiness.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>

#include "agent/rollback/conditions.h"
#include "agent/rollback/drill.h"
#include "agent/rollback/inspect.h"
#include "agent/rollback/standing.h"
#include "common/ids.h"

namespace serin::helper {
namespace {

constexpr size_t kMostCandidates = 3;   // each is looked at as closely as a command's target
constexpr size_t kMostReleases = 1000;  // a folder of deploy users' may hold anything

struct Release {
  std::string name;
  int64_t changed_us = 0;
};

/// The folders in a releases folder, the one that changed last first.
std::vector<Release> releases_in(const Releases& releases) {
  std::vector<Release> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(releases.real_path(), error), end;
       !error && at != end && found.size() < kMostReleases; at.increment(error)) {
    struct stat facts {};
    auto name = at->path().filename().native();
    if (!is_release_name(name) || ::lstat(at->path().c_str(), &facts) != 0) continue;
    if (!S_ISDIR(facts.st_mode)) continue;
    found.push_back({std::move(name),
                     int64_t{facts.st_ctim.tv_sec} * kSecondUs + facts.st_ctim.tv_nsec / 1000});
  }
  std::ranges::sort(found, std::greater{}, &Release::changed_us);
  return found;
}

/// The folder of releases, where that is what versions come from.
std::optional<Releases> folder_of(const ServiceFile& service) {
  return package_of(service) == nullptr ? releases_of(service) : std::nullopt;
}

std::vector<std::string> candidates(const ServiceFile& service, const Standing& standing,
                                    const std::string& current) {
  std::vector<std::string> names;
  if (const auto releases = folder_of(service)) {
    for (auto& release : releases_in(*releases)) names.push_back(std::move(release.name));
  } else {
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
  for (const auto& target : candidates(service, standing, current)) {
    command.target = target;
    const auto possible = check_possible(command, service, settings, clock);
    if (possible) return {.ready = Ready::yes, .text = {}, .target = target};
    if (std::exchange(none_looked_at, false)) first = not_ready(possible.error());
    if (possible.error().refusal != Refusal::target) break;  // the same for each of them
  }
  if (none_looked_at && !folder_of(service) && !service.rollback.empty())
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
