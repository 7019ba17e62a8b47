#include "agent/rollback/dead_man.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "agent/rollback/health.h"
#include "agent/rollback/program.h"
#include "agent/rollback/standing.h"
#include "common/ids.h"
#include "common/log.h"

namespace serin::helper {
namespace {

constexpr int kLooks = 5;  // CONTRACTS §8: 5 times in 10 s
constexpr int64_t kLookEveryUs = 2 * kSecondUs;
constexpr int64_t kHealthTimeoutUs = 2 * kSecondUs;
constexpr int64_t kAskManagerUs = kSecondUs;
constexpr int64_t kAliveUs = int64_t{10} * 60 * kSecondUs;  // as a signed command
// A suspicion is looked at at once or not at all: after a boot everything is down for a while.
constexpr int64_t kFreshUs = 5 * kSecondUs;

std::unexpected<Refused> refuse(Refusal refusal, std::string text) {
  return std::unexpected(Refused{refusal, std::move(text)});
}

/// How long a release may take to become healthy, as its first action says.
double patience_of(const ServiceFile& service) {
  return service.rollback.empty() ? 0 : service.rollback.front().healthy.within_seconds;
}

std::string health_url(const ServiceFile& service) {
  const auto with = std::ranges::find_if(
      service.rollback, [](const auto& entry) { return !entry.healthy.http.empty(); });
  return with == service.rollback.end() ? std::string() : with->healthy.http;
}

/// New, but not so new that it may still be starting.
Judged<void> check_age(const std::string& version, int64_t changed_us, const ServiceFile& service,
                       const Clock& clock) {
  if (changed_us == 0)
    return refuse(Refusal::ambiguous, "since when this version is there cannot be told");
  const double age = static_cast<double>(clock.wall_us() - changed_us) / kSecondUs;
  if (age < 0)
    return refuse(Refusal::ambiguous, "by this host's clock the version changes in the future");
  if (age > service.dead_man->within_seconds) {
    return refuse(Refusal::expired,
                  fmt::format("{} is there for {:.0f} s; the dead-man acts within {:g} s", version,
                              age, service.dead_man->within_seconds));
  }
  if (age < patience_of(service)) {
    return refuse(Refusal::action, fmt::format("{} is there for {:.0f} s and has {:g} s to become "
                                               "healthy",
                                               version, age, patience_of(service)));
  }
  return {};
}

/// The first of those that were confirmed which could be gone back to.
Judged<Command> choose_target(Command command, const Standing& standing, const ServiceFile& service,
                              const Settings& settings, const Clock& clock) {
  Judged<Command> first =
      refuse(Refusal::target, "no version was confirmed that could be gone back to");
  bool looked = false;
  for (const Word& word : standing.words()) {
    if (!word.confirmed || word.version == command.condemned) continue;
    command.target = word.version;
    auto possible = check_conditions(command, service, settings, clock);
    if (possible) return command;
    if (!std::exchange(looked, true)) first = std::unexpected(possible.error());
  }
  return first;
}

enum class Seen { well, failing, failed, stopped };

/// What the units say; failing where they leave it open.
Seen look_at_units(const ServiceFile::ByUnit& by, const Settings& settings, const Clock& clock) {
  ProgramRun show{.argv = {settings.systemctl.native(), "show", "--property=ActiveState", "--"},
                  .environment = {},
                  .deadline_boot_us = clock.boot_us() + kAskManagerUs,
                  .before_start = {}};
  show.argv.insert(show.argv.end(), by.units.begin(), by.units.end());
  const auto said = ask_program(show, clock);
  if (!said) return Seen::failing;
  std::istringstream lines(*said);
  bool failed = false;
  bool lives = false;
  for (std::string line; std::getline(lines, line);) {
    failed = failed || line == "ActiveState=failed";
    lives = lives || line == "ActiveState=active" || line == "ActiveState=activating" ||
            line == "ActiveState=reloading";
  }
  if (lives) return Seen::failing;
  return failed ? Seen::failed : Seen::stopped;
}

Seen look_once(const ServiceFile& service, const Settings& settings, const Clock& clock) {
  if (const auto* by = std::get_if<ServiceFile::ByUnit>(&service.process)) {
    const Seen units = look_at_units(*by, settings, clock);
    if (units != Seen::failing) return units;
  }
  if (const auto url = health_url(service); !url.empty())
    return check_health(url, kHealthTimeoutUs) ? Seen::well : Seen::failing;
  const auto seen = inspect(service, settings, clock);
  return seen && seen->running ? Seen::well : Seen::failing;
}

}  // namespace

Judged<Command> check_dead_man(const ServiceFile& service, const Settings& settings,
                               const Clock& clock) {
  if (!service.dead_man) {
    return refuse(
        Refusal::action,
        fmt::format("the file of {} holds no [dead_man]: root does not allow it", service.name));
  }
  if (auto free = check_holds(service.name, settings); !free) return std::unexpected(free.error());
  const auto seen = inspect(service, settings, clock);
  if (!seen) return refuse(Refusal::ambiguous, seen.error().message);
  if (seen->running && !seen->running->doubt.empty())
    return refuse(Refusal::ambiguous, seen->running->doubt);
  const auto& version = seen->running ? seen->running->version : seen->selected;
  if (version.empty()) return refuse(Refusal::not_running, "nothing runs and nothing is selected");
  const Standing standing(settings, service.name);
  if (standing.is_confirmed(version))
    return refuse(Refusal::target, fmt::format("{} was confirmed as healthy", version));
  if (auto young = check_age(version, seen->changed_us, service, clock); !young)
    return std::unexpected(young.error());
  Command command{.host = settings.host, .service = service.name};
  command.id = command_id("", settings.host, service.name, "dead_man " + version, 0);
  command.condemned = version;
  command.issued_us = clock.wall_us();
  command.not_after_us = clock.wall_us() + kAliveUs;
  return choose_target(std::move(command), standing, service, settings, clock);
}

Result<std::string> see_it_fail(const ServiceFile& service, const Settings& settings,
                                const Clock& clock) {
  for (int look = 1;; ++look) {
    const int64_t next_us = clock.boot_us() + kLookEveryUs;
    switch (look_once(service, settings, clock)) {
      case Seen::well:
        return fail("the service is well");
      case Seen::stopped:
        return fail("the service was stopped on purpose");
      case Seen::failed:
        return "its unit failed";
      case Seen::failing:
        break;
    }
    if (look == kLooks) break;
    clock.pause_us(std::max<int64_t>(next_us - clock.boot_us(), 0));
  }
  const auto url = health_url(service);
  return url.empty() ? std::string("its process was gone five times in a row")
                     : url + " failed five times in a row";
}

Result<bool> take_up_dead_man(const ActionContext& context, size_t runs) {
  const Record& record = context.journal.record();
  if (record.count("accepted") > 0) return true;
  const auto drop = [&](std::string_view why) -> Result<bool> {
    log::info("{}: the dead-man does nothing: {}", context.command.service, why);
    if (auto gone = context.journal.discard(); !gone) return std::unexpected(gone.error());
    return false;
  };
  const int64_t age_us = context.clock.wall_us() - record.entries.front().wall_us;
  if (runs > 0 || age_us < 0 || age_us > kFreshUs) return drop("the suspicion is old");
  const auto failing = see_it_fail(context.service, context.settings, context.clock);
  if (!failing) return drop(failing.error().message);
  // Ten seconds later: somebody may have confirmed, held or changed it.
  const auto still = check_dead_man(context.service, context.settings, context.clock);
  if (!still) return drop(still.error().text);
  if (still->id != context.command.id || still->target != context.command.target)
    return drop("something else runs by now");
  const auto text = fmt::format("dead-man: nobody was reached, {} is not confirmed and {}",
                                context.command.condemned, *failing);
  log::warning("{}: {}", context.command.service, text);
  if (auto noted = context.journal.append("accepted", text); !noted)
    return std::unexpected(noted.error());
  return true;
}

}  // namespace serin::helper
