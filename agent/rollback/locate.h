#pragma once

#include <vector>

#include "agent/rollback/clock.h"
#include "agent/rollback/process.h"
#include "agent/rollback/settings.h"
#include "common/service_file.h"

namespace serin::helper {

struct Located {
  Process process;
  std::string generation;
};

/// The main processes of a service: none when it does not run, several with several units. By pid
/// file: only a file of root's in a folder of root's may name a process of another than its owner,
/// so that no service can point root at another's process.
Result<std::vector<Located>> locate(const ServiceFile& service, const Settings& settings,
                                    const Clock& clock);

}  // namespace serin::helper
