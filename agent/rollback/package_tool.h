#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/rollback/package.h"
#include "agent/rollback/program.h"

// The two package managers; package.h is for everybody else.

namespace serin::helper {

Result<PackagePlan> prepare_apt(const PackageJob& job, int64_t deadline_boot_us,
                                const Settings& settings, const Clock& clock);
Result<void> install_apt(const PackagePlan& plan, const PackageRun& run, const Settings& settings,
                         const Clock& clock);
Result<PackagePlan> prepare_dnf(const PackageJob& job, int64_t deadline_boot_us,
                                const Settings& settings, const Clock& clock);
Result<void> install_dnf(const PackagePlan& plan, const PackageRun& run, const Settings& settings,
                         const Clock& clock);

Result<void> fetch_apt_again(const PackageJob& job, int64_t deadline_boot_us,
                             const Settings& settings, const Clock& clock);
Result<void> fetch_dnf_again(const PackageJob& job, int64_t deadline_boot_us,
                             const Settings& settings, const Clock& clock);

/// Runs one and makes an error of what it said when it failed.
Result<std::string> hear_tool(const ProgramRun& run, const Clock& clock);

/// Whether dpkg is in the middle of something that nobody is at work on any more.
bool dpkg_was_interrupted(const Settings& settings);

}  // namespace serin::helper
