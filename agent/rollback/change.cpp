#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/rollback/attempt.h"
#include "agent/rollback/flag.h"
#include "agent/rollback/link.h"
#include "agent/rollback/program.h"

// What the actions package and flag change.

namespace serin::helper {
namespace {

/// A start this long after the change is told apart from it by the clocks of files and processes.
constexpr int64_t kDistanceUs = 100'000;
constexpr int64_t kMostDistanceUs = 2 * kSecondUs;  // rpm counts in whole seconds

}  // namespace

Result<PackagePlan> Attempt::plan_packages() const {
  const auto& c = context_;
  const auto job = package_job(entry_, c.command.target, c.settings, c.clock);
  if (!job) return std::unexpected(job.error());
  auto plan = prepare_packages(*job, deadline_boot_us_, c.settings, c.clock);
  if (!plan || c.command.kind != CommandKind::drill || !c.way.empty()) return plan;
  const auto back = package_job(entry_, c.command.condemned, c.settings, c.clock);
  const auto fetched = back ? fetch_again(*back, deadline_boot_us_, c.settings, c.clock)
                            : Result<void>(std::unexpected(back.error()));
  if (!fetched) return fail("the way back: " + fetched.error().message);
  return plan;
}

/// Unlike a command it is done again after an interruption: a package manager goes on from where it
/// was cut off, and does nothing twice.
Result<void> Attempt::put_packages_back() {
  const auto& c = context_;
  const auto job = package_job(entry_, c.command.target, c.settings, c.clock);
  if (!job) return std::unexpected(job.error());
  if (progress_.child) {
    auto ended = wait_for_orphan(c.settings.proc, *progress_.child, deadline_boot_us_, c.clock);
    if (!ended) return ended;
  }
  if (progress_.will_run) mend_packages(*job, deadline_boot_us_, c.settings, c.clock);
  if (packages_stand(*job, c.settings, c.clock).value_or(false)) return {};
  auto plan = plan_ ? Result<PackagePlan>(*plan_) : plan_packages();
  if (!plan) return std::unexpected(plan.error());
  if (!progress_.will_run) {
    if (auto done = c.note("will_run", fmt::format("{}", fmt::join(plan->wanted, " "))); !done)
      return done;
  }
  auto ran =
      install_packages(*plan,
                       {.deadline_boot_us = deadline_boot_us_,
                        .before_start = [this](const Process& child) { return note_child(child); }},
                       c.settings, c.clock);
  c.observer.reached("packages changed");
  return ran;
}

Result<void> Attempt::turn_flag_off() {
  const auto& c = context_;
  if (progress_.will_switch) remove_flag_temporary(entry_.flag, progress_.temporary);
  const auto off = flag_is_off(entry_.flag);
  if (!off) return std::unexpected(off.error());
  if (*off) return {};
  const auto temporary = temporary_link_name();
  if (auto done = c.note("will_switch", temporary); !done) return done;
  auto turned = helper::turn_flag_off(entry_.flag, temporary);
  c.observer.reached("flag turned off");
  return turned;
}

void Attempt::await_distance() const {
  const auto& c = context_;
  const auto* name = package_of(c.service);
  if (name == nullptr) return;
  const auto installed = installed_package(*name, c.settings, c.clock);
  if (!installed || !*installed) return;
  const int64_t until = (*installed)->changed_us + kDistanceUs;
  const int64_t wait = std::min(until - c.clock.wall_us(), kMostDistanceUs);
  if (wait > 0) c.clock.pause_us(wait);
}

}  // namespace serin::helper
