#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/rollback/clock.h"
#include "agent/rollback/installed.h"
#include "agent/rollback/process.h"
#include "agent/rollback/settings.h"
#include "common/service_file.h"

namespace serin::helper {

/// Packages that are to go to one version, by the package manager that knows them.
struct PackageJob {
  PackageTool tool = PackageTool::apt;
  std::vector<std::string> names;
  std::string version;  ///< as the package manager has it
};

/// What a [[rollback]] with the action package means for a version of the service. Errors: the
/// packages are not installed, or of two managers; what would be the version can be none.
Result<PackageJob> package_job(const ServiceFile::Rollback& entry, std::string_view version,
                               const Settings& settings, const Clock& clock);

/// Whether it could be done, as far as looking tells: the manager is there and root's, dpkg is not
/// in pieces, the disk not full. Runs no package manager and opens no network: the helper may ask
/// it at any time. Errors say what to do.
Result<void> check_packages(const PackageJob& job, const Settings& settings);

/// Whether all of them are at that version, and whole and set up.
Result<bool> packages_stand(const PackageJob& job, const Settings& settings, const Clock& clock);

/// What the package manager is asked for: "api=1.4.2-1", or a file in its cache.
struct PackagePlan {
  PackageJob job;
  std::vector<std::string> wanted;
  std::string verb;  ///< dnf: downgrade or install
};

/// Asks the package manager whether it could do it now, changing nothing but them, and has it fetch
/// what is not in its cache: from then on no network is needed. Waits for a package manager that is
/// at work. For the action only: takes seconds.
Result<PackagePlan> prepare_packages(const PackageJob& job, int64_t deadline_boot_us,
                                     const Settings& settings, const Clock& clock);

/// Has what is installed now fetched once more, so that a drill can come back to it.
Result<void> fetch_again(const PackageJob& job, int64_t deadline_boot_us, const Settings& settings,
                         const Clock& clock);

/// Has dpkg go on with what an interrupted run of ours left half done. That it could not shows in
/// what comes next.
void mend_packages(const PackageJob& job, int64_t deadline_boot_us, const Settings& settings,
                   const Clock& clock);

struct PackageRun {
  int64_t deadline_boot_us = 0;
  std::function<Result<void>(const Process&)> before_start;
};

/// Puts them there. No service is started or stopped by their scripts: that is the restart's to do.
Result<void> install_packages(const PackagePlan& plan, const PackageRun& run,
                              const Settings& settings, const Clock& clock);

}  // namespace serin::helper
