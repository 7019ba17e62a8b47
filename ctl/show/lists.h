#pragma once

#include <string>
#include <vector>

#include "aggregator/core/view.h"
#include "ctl/api/views.h"

namespace serin::ctl {

/// The fleet at a glance.
std::string show_status(const StatusAnswer& status, const std::vector<core::ServiceView>& services,
                        const std::vector<core::DeployView>& deploys,
                        const std::vector<core::HostView>& hosts, const std::string& api);
std::string show_deploys(const std::vector<core::DeployView>& deploys);
/// By service and name.
std::string show_hosts(std::vector<core::HostView> hosts, int64_t now_us);

std::string show_drills(const std::vector<core::DrillView>& drills);

}  // namespace serin::ctl
