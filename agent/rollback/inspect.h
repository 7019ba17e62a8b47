#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/rollback/clock.h"
#include "agent/rollback/process.h"
#include "agent/rollback/releases.h"
#include "agent/rollback/settings.h"
#include "common/service_file.h"

namespace serin::helper {

/// The process of a service and the version that its generation is (CONTRACTS §4), fixed when it
/// started.
struct Running {
  Process process;
  std::string generation;
  std::string version;        ///< empty: cannot be told, `doubt` says why
  std::string artefact;       ///< build-id, else device:inode:ctime
  std::string doubt;          ///< why the version is not certain; empty when it is
  bool from_release = false;  ///< the kernel's own paths lie below the release `version`
};

struct Inspection {
  std::optional<Running> running;
  std::string selected;  ///< what the next start would take; empty when unknown
  /// Since when that is so, by the link or file that says so; else since when the running
  /// executable lies there. Wall clock; 0 when it cannot be told.
  int64_t changed_us = 0;
};

/// Looks at a service now. Errors: the service manager does not answer, a pid file that cannot be
/// trusted.
Result<Inspection> inspect(const ServiceFile& service, const Settings& settings,
                           const Clock& clock);

/// The folder with the releases of a service, from its first action that has one; nullopt where
/// there is none.
std::optional<Releases> releases_of(const ServiceFile& service);
/// The package whose version is the service's; nullptr where it is none's.
const std::string* package_of(const ServiceFile& service);
/// The link that selects the version of a service; empty where there is none.
std::filesystem::path link_of(const ServiceFile& service);

}  // namespace serin::helper
