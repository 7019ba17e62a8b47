#include <fmt/core.h>

#include "agent/rollback/package_tool.h"

namespace serin::helper {
namespace {

/// As with apt: nobody answers, and services are the restart's to touch.
std::vector<std::string> environment() {
  return {"SYSTEMD_OFFLINE=1", "LC_ALL=C", "HOME=/root"};
}

ProgramRun dnf(const PackagePlan& plan, const char* option, int64_t deadline_boot_us,
               const Settings& settings) {
  ProgramRun run{.argv = {settings.packages.dnf.native(), "-q", "-y",
                          "--setopt=install_weak_deps=False", "--setopt=keepcache=True"},
                 .environment = environment(),
                 .deadline_boot_us = deadline_boot_us,
                 .before_start = {}};
  if (option != nullptr) run.argv.emplace_back(option);
  run.argv.push_back(plan.verb);
  run.argv.insert(run.argv.end(), plan.wanted.begin(), plan.wanted.end());
  return run;
}

}  // namespace

Result<PackagePlan> prepare_dnf(const PackageJob& job, int64_t deadline_boot_us,
                                const Settings& settings, const Clock& clock) {
  PackagePlan plan{.job = job, .wanted = {}, .verb = {}};
  for (const auto& name : job.names) plan.wanted.push_back(fmt::format("{}-{}", name, job.version));
  Error last;
  // A version that is not older is no downgrade to it; nothing of either is removed without a
  // further word.
  for (const char* verb : {"downgrade", "install"}) {
    plan.verb = verb;
    const auto fetched = hear_tool(dnf(plan, "--downloadonly", deadline_boot_us, settings), clock);
    if (fetched) return plan;
    last = fetched.error();  // it says more: that there is no such version at all
  }
  return std::unexpected(last);
}

Result<void> fetch_dnf_again(const PackageJob& job, int64_t deadline_boot_us,
                             const Settings& settings, const Clock& clock) {
  PackagePlan plan{.job = job, .wanted = {}, .verb = "reinstall"};
  for (const auto& name : job.names) plan.wanted.push_back(fmt::format("{}-{}", name, job.version));
  const auto fetched = hear_tool(dnf(plan, "--downloadonly", deadline_boot_us, settings), clock);
  if (!fetched) return std::unexpected(fetched.error());
  return {};
}

Result<void> install_dnf(const PackagePlan& plan, const PackageRun& run, const Settings& settings,
                         const Clock& clock) {
  auto install = dnf(plan, nullptr, run.deadline_boot_us, settings);
  install.before_start = run.before_start;
  const auto said = hear_tool(install, clock);
  if (!said) return std::unexpected(said.error());
  return {};
}

}  // namespace serin::helper
