#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/probe/cgroup_probe.h"
#include "agent/sampler/service_check.h"
#include "agent/service/unit_manager.h"

namespace serin::agent {

/// What `serin-agent check` says of one unit: whether it exists, is loaded and runs, and whether
/// its control group can be read; what is wrong comes with what to do. `word` absent: the manager
/// did not answer, for `problem`.
std::vector<ServiceCheck::Line> check_unit(const std::string& unit,
                                           const std::optional<UnitWord>& word,
                                           const std::string& problem, const CgroupRoots& roots);

}  // namespace serin::agent
