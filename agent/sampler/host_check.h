#pragma once

#include <vector>

#include "agent/sampler/agent_config.h"
#include "agent/sampler/service_check.h"

namespace serin::agent {

/// What `check` says of the host itself, beside NATS and the helper: the agent's folders, its user,
/// the clock, what limits it.
std::vector<ServiceCheck::Line> check_host(const AgentConfig& config);

}  // namespace serin::agent
