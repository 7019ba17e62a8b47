#include "agent/rollback/conditions.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include "agent/rollback/flag.h"
#include "agent/rollback/inspect.h"
#include "agent/rollback/link.h"
#include "agent/rollback/loadable.h"
#include "agent/rollback/package.h"
#include "agent/rollback/restart.h"
#include "agent/rollback/room.h"
#include "agent/rollback/standing.h"
#include "agent/rollback/trust.h"
#include "common/file.h"
#include "common/ids.h"

namespace serin::helper {
namespace {

constexpr size_t kMostHoldBytes = size_t{64} * 1024;
constexpr size_t kShownHoldBytes = 200;
constexpr uint64_t kLinkRoomBytes =
    uint64_t{64} * 1024;  // a link is an inode and a line of a folder

std::unexpected<Refused> refuse(Refusal refusal, std::string text) {
  return std::unexpected(Refused{refusal, std::move(text)});
}

/// A hold counts when its file is there, readable or not: doubt never lets an action through.
Judged<void> check_hold(const std::filesystem::path& file) {
  struct stat facts{};
  if (::lstat(file.c_str(), &facts) != 0 && errno == ENOENT) return {};
  auto text = read_file(file, kMostHoldBytes).value_or("");
  text = text.substr(0, std::min(text.find('\n'), kShownHoldBytes));
  return refuse(Refusal::held, fmt::format("{} holds back every action{}{}", file.native(),
                                           text.empty() ? "" : ": ", text));
}

Judged<void> check_running(const Command& command, const ServiceFile& service,
                           const Settings& settings, const Clock& clock) {
  const auto seen = inspect(service, settings, clock);
  if (!seen) return refuse(Refusal::ambiguous, seen.error().message);
  if (!seen->running) {
    if (seen->selected == command.condemned) return {};
    return refuse(
        Refusal::not_running,
        fmt::format("nothing runs, and {} is selected, not {}",
                    seen->selected.empty() ? "nothing" : seen->selected, command.condemned));
  }
  const Running& running = *seen->running;
  if (!running.doubt.empty()) return refuse(Refusal::ambiguous, running.doubt);
  if (running.version != command.condemned) {
    return refuse(Refusal::not_running,
                  fmt::format("{} runs, not {}", running.version, command.condemned));
  }
  const bool expected = seen->selected.empty() || seen->selected == command.condemned ||
                        seen->selected == command.target;
  if (!expected) {
    return refuse(Refusal::ambiguous,
                  fmt::format("{} runs and {} is selected: somebody is changing it",
                              running.version, seen->selected));
  }
  return {};
}

/// What the condemned version changed cannot be undone: says so where, and how it is told.
Judged<void> check_reversible(const Command& command, const ServiceFile& service,
                              const Settings& settings, const Clock& clock) {
  if (command.force) return {};
  const auto stays = [&] {
    return refuse(Refusal::irreversible,
                  fmt::format("{} carries {}: what it changed cannot be undone", command.condemned,
                              kIrreversibleMarker));
  };
  const auto releases = releases_of(service);
  if (releases && is_release_name(command.condemned) && releases->irreversible(command.condemned))
    return stays();
  const auto* name = package_of(service);
  if (name == nullptr) return {};
  const auto installed = installed_package(*name, settings, clock);
  const bool marked = installed && *installed && (*installed)->version == command.condemned &&
                      (*installed)->brings(kIrreversibleMarker);
  return marked ? stays() : Judged<void>{};
}

/// A command that was issued before its target was condemned here comes too late. One that was
/// issued after that knows of it.
Judged<void> check_standing(const Command& command, const Settings& settings) {
  const Standing standing(settings, command.service);
  for (const Word& word : standing.words()) {
    if (word.version != command.target || word.confirmed || word.issued_us <= command.issued_us)
      continue;
    return refuse(
        Refusal::target,
        fmt::format("{} was condemned itself after this command was issued", command.target));
  }
  return {};
}

Judged<void> check_target(const Command& command) {
  if (!is_release_name(command.target)) {
    return refuse(Refusal::target, "the target is not the name of a release");
  }
  if (command.target == command.condemned) {
    return refuse(Refusal::target, "the target is the condemned version itself");
  }
  return {};
}

Judged<void> check_some_entry(const Command& command, const ServiceFile& service,
                              const Settings& settings, const Clock& clock) {
  if (service.rollback.empty()) {
    return refuse(Refusal::action,
                  fmt::format("the file of {} names no [[rollback]]", service.name));
  }
  Judged<void> first;
  for (const auto& entry : service.rollback) {
    auto possible = check_entry(entry, service, command, settings, clock);
    if (possible) return {};
    if (first) first = std::move(possible);
  }
  return first;
}

Judged<void> check_switch(const ServiceFile::Rollback& entry, const ServiceFile& service,
                          const Command& command, const Settings& settings, const Clock& clock) {
  const auto releases = Releases::open(entry.releases);
  if (!releases) return refuse(Refusal::action, releases.error().message);
  if (const auto there = releases->release(command.target); !there) {
    return refuse(Refusal::target, there.error().message);
  }
  const auto link = link_of(entry, service);
  if (link.empty()) return refuse(Refusal::action, "no link is named that selects the release");
  if (const auto value = read_link(link, *releases); !value) {
    return refuse(Refusal::action, value.error().message);
  }
  const auto loadable = check_release_loadable(
      entry, link, *releases, {.condemned = command.condemned, .target = command.target}, settings,
      clock);
  if (!loadable) return refuse(Refusal::target, loadable.error().message);
  if (auto room = check_room(link.parent_path(), kLinkRoomBytes); !room)
    return refuse(Refusal::action, room.error().message);
  return {};
}

/// A command finds its target itself; where the releases are known it must be one of them.
Judged<void> check_command(const ServiceFile::Rollback& entry, const ServiceFile& service,
                           const Command& command) {
  if (entry.argv.empty()) return refuse(Refusal::action, "the action has no command");
  if (auto owned = owned_program(entry.argv.front()); !owned) {
    return refuse(Refusal::action, owned.error().message);
  }
  const auto releases = package_of(service) == nullptr ? releases_of(service) : std::nullopt;
  if (!releases) return {};
  if (const auto there = releases->release(command.target); !there)
    return refuse(Refusal::target, there.error().message);
  return {};
}

Judged<void> check_package(const ServiceFile::Rollback& entry, const Command& command,
                           const Settings& settings, const Clock& clock) {
  const auto job = package_job(entry, command.target, settings, clock);
  if (!job) return refuse(Refusal::target, job.error().message);
  if (auto possible = check_packages(*job, settings); !possible)
    return refuse(Refusal::action, possible.error().message);
  return {};
}

Judged<void> check_flag_action(const ServiceFile::Rollback& entry, const Command& command) {
  if (command.kind == CommandKind::drill)
    return refuse(Refusal::action, "a flag that is turned off cannot be rehearsed");
  if (auto possible = check_flag(entry.flag); !possible)
    return refuse(Refusal::action, possible.error().message);
  return {};
}

Judged<void> check_action(const ServiceFile::Rollback& entry, const ServiceFile& service,
                          const Command& command, const Settings& settings, const Clock& clock) {
  if (entry.action == "release_symlink")
    return check_switch(entry, service, command, settings, clock);
  if (entry.action == "package") return check_package(entry, command, settings, clock);
  if (entry.action == "flag") return check_flag_action(entry, command);
  if (entry.action == "command") return check_command(entry, service, command);
  return refuse(Refusal::action, fmt::format("action {} is not known", entry.action));
}

}  // namespace

std::filesystem::path link_of(const ServiceFile::Rollback& entry, const ServiceFile& service) {
  return entry.link.empty() ? link_of(service) : entry.link;
}

Judged<ServiceFile> check_address(const Command& command, const Settings& settings) {
  if (command.host != settings.host) {
    return refuse(Refusal::host, fmt::format("the command is for host {}, this is {}", command.host,
                                             settings.host));
  }
  return check_service(command.service, settings);
}

Judged<ServiceFile> check_service(const std::string& name, const Settings& settings) {
  const auto file = settings.services / (name + ".toml");
  struct stat facts{};
  if (::lstat(file.c_str(), &facts) != 0) {
    return refuse(Refusal::service, fmt::format("{}: {}", file.native(), errno_text(errno)));
  }
  if (auto owned = check_owned_folder(settings.services); !owned) {
    return refuse(Refusal::not_owned, owned.error().message);
  }
  if (auto owned = check_owned_file(file); !owned) {
    return refuse(Refusal::not_owned, owned.error().message);
  }
  auto service = load_service_file(file);
  if (!service) return refuse(Refusal::service, service.error().message);
  return std::move(*service);
}

Judged<void> check_holds(const std::string& service, const Settings& settings) {
  if (auto free = check_hold(settings.hold / "hold"); !free) return free;
  return check_hold(settings.hold / "hold.d" / service);
}

Judged<void> check_deadline(const Command& command, const Clock& clock) {
  const int64_t late_us = clock.wall_us() - command.not_after_us;
  if (late_us <= 0) return {};
  return refuse(Refusal::expired, fmt::format("its deadline passed {} s ago by this host's clock",
                                              late_us / kSecondUs));
}

Judged<void> check_conditions(const Command& command, const ServiceFile& service,
                              const Settings& settings, const Clock& clock) {
  if (auto early = check_deadline(command, clock); !early) return early;
  if (auto free = check_holds(command.service, settings); !free) return free;
  if (auto runs = check_running(command, service, settings, clock); !runs) return runs;
  return check_possible(command, service, settings, clock);
}

Judged<void> check_possible(const Command& command, const ServiceFile& service,
                            const Settings& settings, const Clock& clock) {
  if (auto sound = check_target(command); !sound) return sound;
  if (auto fresh = check_standing(command, settings); !fresh) return fresh;
  if (auto free = check_reversible(command, service, settings, clock); !free) return free;
  return check_some_entry(command, service, settings, clock);
}

Judged<void> check_entry(const ServiceFile::Rollback& entry, const ServiceFile& service,
                         const Command& command, const Settings& settings, const Clock& clock) {
  if (auto possible = check_action(entry, service, command, settings, clock); !possible)
    return possible;
  if (auto possible = check_restart(entry, settings, clock); !possible) {
    return refuse(Refusal::action, possible.error().message);
  }
  return {};
}

}  // namespace serin::helper
