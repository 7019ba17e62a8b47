#include "agent/rollback/package.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "agent/rollback/package_tool.h"
#include "agent/rollback/room.h"
#include "agent/rollback/trust.h"
#include "common/dpkg.h"
#include "common/log.h"

namespace serin::helper {
namespace {

constexpr uint64_t kLeastRoomBytes =
    uint64_t{8} * 1024 * 1024;  // dpkg's own files alone are that much
constexpr size_t kShownBytes = 400;

/// The lines in which a package manager says what is wrong; else the last one.
std::string last_words(std::string_view output) {
  constexpr std::array<std::string_view, 7> kSigns = {
      "E: ", "Error", "error:", "dpkg: error", "No match", " Depends: ", " Conflicts: "};
  std::string said, last;
  while (!output.empty()) {
    const auto line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(line.size() + 1, output.size()));
    if (line.empty()) continue;
    last = line;
    const bool tells = std::ranges::any_of(kSigns, [&](auto sign) {
      return sign.front() == ' ' ? line.find(sign) != std::string_view::npos
                                 : line.starts_with(sign);
    });
    if (tells) said += fmt::format("{}{}", said.empty() ? "" : "; ", line);
  }
  return (said.empty() ? last : said).substr(0, kShownBytes);
}

}  // namespace

Result<std::string> hear_tool(const ProgramRun& run, const Clock& clock) {
  auto heard = hear_program(run, clock);
  if (heard.ended) return std::move(heard.output);
  log::warning("{}", heard.output);
  const auto words = last_words(heard.output);
  return fail(fmt::format("{}{}{}", heard.ended.error().message, words.empty() ? "" : ": ", words));
}

Result<PackageJob> package_job(const ServiceFile::Rollback& entry, std::string_view version,
                               const Settings& settings, const Clock& clock) {
  PackageJob job{.names = entry.packages,
                 .version = fmt::format("{}{}{}", entry.package_version.before, version,
                                        entry.package_version.after)};
  if (!is_package_version(job.version)) {
    return fail(fmt::format("{} is not the version of a package", job.version));
  }
  for (const auto& name : job.names) {
    const auto installed = installed_package(name, settings, clock);
    if (!installed) return std::unexpected(installed.error());
    if (!*installed) {
      return fail(fmt::format("package {} is not installed, as far as dpkg and rpm know", name));
    }
    if (&name != &job.names.front() && (*installed)->tool != job.tool)
      return fail("some of the packages are dpkg's and some are rpm's");
    job.tool = (*installed)->tool;
  }
  return job;
}

Result<void> check_packages(const PackageJob& job, const Settings& settings) {
  const bool apt = job.tool == PackageTool::apt;
  const auto program = owned_program(apt ? settings.packages.apt_get : settings.packages.dnf);
  if (!program) return std::unexpected(program.error());
  if (apt && dpkg_was_interrupted(settings)) {
    return fail("dpkg was interrupted: run dpkg --configure -a, and look at what it says");
  }
  return check_room(apt ? settings.packages.dpkg : "/var/lib", kLeastRoomBytes);
}

Result<bool> packages_stand(const PackageJob& job, const Settings& settings, const Clock& clock) {
  for (const auto& name : job.names) {
    const auto installed = installed_package(name, settings, clock);
    if (!installed) return std::unexpected(installed.error());
    const bool stands =
        *installed && (*installed)->version == job.version && (*installed)->state == "installed";
    if (!stands) return false;
  }
  return true;
}

Result<PackagePlan> prepare_packages(const PackageJob& job, int64_t deadline_boot_us,
                                     const Settings& settings, const Clock& clock) {
  return job.tool == PackageTool::apt ? prepare_apt(job, deadline_boot_us, settings, clock)
                                      : prepare_dnf(job, deadline_boot_us, settings, clock);
}

Result<void> fetch_again(const PackageJob& job, int64_t deadline_boot_us, const Settings& settings,
                         const Clock& clock) {
  return job.tool == PackageTool::apt ? fetch_apt_again(job, deadline_boot_us, settings, clock)
                                      : fetch_dnf_again(job, deadline_boot_us, settings, clock);
}

Result<void> install_packages(const PackagePlan& plan, const PackageRun& run,
                              const Settings& settings, const Clock& clock) {
  auto done = plan.job.tool == PackageTool::apt ? install_apt(plan, run, settings, clock)
                                                : install_dnf(plan, run, settings, clock);
  if (!done) return done;
  const auto stand = packages_stand(plan.job, settings, clock);
  if (!stand) return std::unexpected(stand.error());
  if (!*stand)
    return fail(
        fmt::format("the package manager ended well, and yet version {} is not "
                    "what is installed",
                    plan.job.version));
  return {};
}

}  // namespace serin::helper
