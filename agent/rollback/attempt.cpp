#include "agent/rollback/attempt.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>

#include "agent/rollback/conditions.h"
#include "agent/rollback/flag.h"
#include "agent/rollback/health.h"
#include "agent/rollback/link.h"
#include "agent/rollback/program.h"
#include "agent/rollback/restart.h"
#include "agent/rollback/trust.h"
#include "schema/flag_reason.h"

namespace serin::helper {
namespace {

constexpr int64_t kLookEveryUs = 20'000;
constexpr int64_t kHealthTimeoutUs = 2 * kSecondUs;  // one GET; a slower answer is no health
constexpr int64_t kStableUs =
    kSecondUs;  // how long a process must live where no health URL is configured
constexpr int64_t kResumeGraceUs = 2 * kSecondUs;  // an interrupted restart may still be under way
constexpr std::string_view kNone = "-";

/// The file that runs is the file that lies in the target's release.
Result<void> check_artefact(const Running& running, const std::string& target,
                            const ServiceFile& service, const Settings& settings) {
  const auto releases = releases_of(service);
  if (!running.from_release || !releases) return {};
  for (const char* link : {"exe", "cwd"}) {
    const auto path = process_link(settings.proc, running.process.pid, link);
    const auto place = path ? releases->place_of(*path) : std::nullopt;
    if (!place) continue;
    const auto there =
        place->rest.empty() ? releases->release(target) : releases->entry(target, place->rest);
    if (!there) return std::unexpected(there.error());
    struct stat file {};
    struct stat runs {};
    const auto magic = settings.proc / std::to_string(running.process.pid) / link;
    const bool same = ::fstat(there->get(), &file) == 0 && ::stat(magic.c_str(), &runs) == 0 &&
                      file.st_dev == runs.st_dev && file.st_ino == runs.st_ino;
    if (!same) return fail(fmt::format("what runs is not what lies in release {} now", target));
    return {};
  }
  return {};
}

}  // namespace

Attempt::Attempt(const ActionContext& context, size_t entry, int64_t deadline_boot_us)
    : context_(context),
      entry_number_(entry),
      entry_(context.service.rollback[entry]),
      deadline_boot_us_(deadline_boot_us),
      progress_(
          progress_of(context.journal.record(), boot_id(context.settings.proc), context.way)) {
  if (progress_.entry != entry_number_) progress_ = Progress{};
}

Result<std::string> Attempt::perform(const std::string& earlier_failures) {
  if (auto done = begin(); !done) return std::unexpected(done.error());
  if (auto done = preflight(earlier_failures); !done) return std::unexpected(done.error());
  if (auto done = change(); !done) return std::unexpected(done.error());
  if (auto done = restart_service(); !done) return std::unexpected(done.error());
  if (auto done = await_healthy(); !done) return std::unexpected(done.error());
  return verify();
}

Result<Inspection> Attempt::look() const {
  return inspect(context_.service, context_.settings, context_.clock);
}

const std::string& Attempt::wanted() const {
  return entry_.action == "flag" ? context_.command.condemned : context_.command.target;
}

bool Attempt::goes_on() const {
  return entry_.action == "flag" && std::holds_alternative<std::monostate>(entry_.restart);
}

bool Attempt::is_new(const Inspection& seen) const {
  return seen.running && seen.running->doubt.empty() &&
         (goes_on() || seen.running->generation != progress_.before) &&
         seen.running->version == wanted();
}

bool Attempt::wait_for_new(int64_t until_boot_us) {
  for (;;) {
    const auto seen = look();
    if (seen && is_new(*seen)) return true;
    if (context_.clock.boot_us() >= std::min(until_boot_us, deadline_boot_us_)) return false;
    context_.clock.pause_us(kLookEveryUs);
  }
}

Result<void> Attempt::begin() {
  if (!progress_.entry) {
    if (auto done = context_.note("begin", std::to_string(entry_number_)); !done) return done;
    progress_.entry = entry_number_;
  }
  if (!progress_.before.empty()) return {};
  const auto seen = look();
  if (!seen) return std::unexpected(seen.error());
  progress_.before = seen->running ? seen->running->generation : std::string(kNone);
  return context_.note("before", progress_.before);
}

Result<void> Attempt::preflight(const std::string& earlier_failures) {
  if (progress_.acted()) return {};
  const auto& c = context_;
  const auto holds = check_entry(entry_, c.service, c.command, c.settings, c.clock);
  if (!holds) return fail(fmt::format("{}: {}", name(holds.error().refusal), holds.error().text));
  if (progress_.preflight) return {};
  if (entry_.action == "package") {
    auto plan = plan_packages();
    if (!plan) return std::unexpected(plan.error());
    plan_ = std::move(*plan);
  }
  return context_.note("preflight", earlier_failures);
}

Result<void> Attempt::change() {
  if (progress_.switched) return {};
  const auto& action = entry_.action;
  auto done = action == "release_symlink" ? switch_release()
              : action == "package"       ? put_packages_back()
              : action == "flag"          ? turn_flag_off()
                                          : run_command();
  if (!done) return done;
  return context_.note("switched");
}

Result<void> Attempt::switch_release() {
  const auto link = link_of(entry_, context_.service);
  if (progress_.will_switch) remove_temporary(link, progress_.temporary);
  const auto releases = Releases::open(entry_.releases);
  if (!releases) return std::unexpected(releases.error());
  const auto value = read_link(link, *releases);
  if (!value) return std::unexpected(value.error());
  if (value->release == context_.command.target) return {};
  if (value->release != context_.command.condemned) {
    return fail(
        fmt::format("{} points to {}: somebody else changed it", link.native(), value->release));
  }
  const auto temporary = temporary_link_name();
  if (auto done = context_.note("will_switch", temporary); !done) return done;
  auto switched = switch_link(
      link, *releases, {.condemned = context_.command.condemned, .target = context_.command.target},
      temporary);
  context_.observer.reached("link switched");
  return switched;
}

Result<void> Attempt::note_child(const Process& child) {
  const auto text =
      fmt::format("{} {} {}", boot_id(context_.settings.proc), child.pid, child.start_ticks);
  return context_.note("child", text);
}

Result<void> Attempt::run_command() {
  const auto& c = context_;
  if (progress_.will_run && progress_.child_noted) {
    if (progress_.child) {
      auto ended = wait_for_orphan(c.settings.proc, *progress_.child, deadline_boot_us_, c.clock);
      if (!ended) return ended;
    }
    const auto seen = look();
    const bool took =
        seen && (is_new(*seen) || (!seen->selected.empty() && seen->selected == c.command.target));
    if (took) return {};
    return fail("the run was interrupted while the command was at work; it is not repeated");
  }
  const auto program = owned_program(entry_.argv.front());
  if (!program) return std::unexpected(program.error());
  if (!progress_.will_run) {
    if (auto done = c.note("will_run", entry_.argv.front()); !done) return done;
  }
  auto ran =
      run_program({.program = *program,
                   .argv = entry_.argv,
                   .environment = environment_of(c.command),
                   .deadline_boot_us = deadline_boot_us_,
                   .before_start = [this](const Process& child) { return note_child(child); }},
                  c.clock);
  c.observer.reached("command ran");
  return ran;
}

Result<void> Attempt::restart_service() {
  if (progress_.restarted) return {};
  const auto& c = context_;
  if (goes_on()) return c.note("restarted", "the flag needs no restart");
  if (progress_.will_restart && progress_.child) {
    auto ended = wait_for_orphan(c.settings.proc, *progress_.child, deadline_boot_us_, c.clock);
    if (!ended) return ended;
  }
  const int64_t grace = progress_.will_restart ? kResumeGraceUs : 0;
  if (wait_for_new(c.clock.boot_us() + grace)) {
    return c.note("restarted", progress_.will_restart ? "" : "it had started anew by itself");
  }
  await_distance();
  if (auto done = c.note("will_restart"); !done) return done;
  auto restarted =
      restart({.entry = entry_,
               .service = c.service,
               .command = c.command,
               .deadline_boot_us = deadline_boot_us_,
               .before_start = [this](const Process& child) { return note_child(child); }},
              c.settings, c.clock);
  c.observer.reached("restart ran");
  if (!restarted) return restarted;
  return c.note("restarted");
}

Result<void> Attempt::await_healthy() {
  if (progress_.healthy) return {};
  const auto& c = context_;
  const int64_t limit =
      std::min(deadline_boot_us_, c.clock.boot_us() + microseconds(entry_.healthy.within_seconds));
  Lifetime lifetime;
  std::string why;  // of the last look that had its time: the one that the limit cuts off says no
                    // more than that
  for (;;) {
    const auto healthy = check_now(lifetime, limit);
    if (healthy) return c.note("healthy");
    const bool cut_off = c.clock.boot_us() >= limit;
    if (!cut_off || why.empty()) why = healthy.error().message;
    if (cut_off) {
      return fail(fmt::format("not healthy within {:g} s: {}", entry_.healthy.within_seconds, why));
    }
    c.clock.pause_us(kLookEveryUs);
  }
}

/// Healthy is a new process of the target that answers, and is the same one before and after.
Result<void> Attempt::check_now(Lifetime& lifetime, int64_t limit_boot_us) const {
  const auto seen = look();
  if (!seen) return std::unexpected(seen.error());
  if (!is_new(*seen)) return fail(why_not_new(*seen));
  const int64_t now = context_.clock.boot_us();
  if (lifetime.generation != seen->running->generation) {
    lifetime = {.generation = seen->running->generation, .since_boot_us = now};
  }
  const auto& url = entry_.healthy.http;
  if (!url.empty()) {
    const int64_t left = std::max<int64_t>(limit_boot_us - now, 1000);
    auto health = check_health(url, std::min(kHealthTimeoutUs, left));
    if (!health) return health;
  } else if (now - lifetime.since_boot_us < kStableUs) {
    return fail("the new process has not lived for a second yet");
  }
  const auto after = look();
  const bool same = after && is_new(*after) && after->running->generation == lifetime.generation;
  if (!same) return fail("the new process ended again");
  return {};
}

std::string Attempt::why_not_new(const Inspection& seen) const {
  if (!seen.running) return "nothing runs";
  const Running& running = *seen.running;
  if (running.generation == progress_.before && !goes_on()) return "the old process still runs";
  if (!running.doubt.empty()) return "it cannot be told what runs: " + running.doubt;
  return running.version + " runs";
}

Result<std::string> Attempt::verify() {
  const auto seen = look();
  if (!seen) return std::unexpected(seen.error());
  if (!is_new(*seen)) return fail("healthy, but then the process was gone");
  if (entry_.action == "flag") {
    const auto off = flag_is_off(entry_.flag);
    if (!off) return std::unexpected(off.error());
    if (!*off) return fail(fmt::format("{} is on again", name_of(entry_.flag)));
    return flag_off_reason(name_of(entry_.flag), wanted());
  }
  auto same =
      check_artefact(*seen->running, context_.command.target, context_.service, context_.settings);
  if (!same) return std::unexpected(same.error());
  return fmt::format("{} runs, artefact {}", seen->running->version, seen->running->artefact);
}

}  // namespace serin::helper
