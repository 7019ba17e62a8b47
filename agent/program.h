#pragma once

#include <filesystem>

#include "agent/sampler/agent_config.h"
#include "common/error.h"

namespace serin::agent {

struct Places {
  std::filesystem::path config = "/etc/serin/agent.toml";
  std::filesystem::path services = "/etc/serin/services.d";
};

/// Runs until SIGTERM or SIGINT. A service file that cannot be used is logged and left out: the
/// others are watched.
Result<void> run_agent(const Places& places);

/// `serin-agent check`: writes to standard output what is seen, what is not and why, and whether a
/// rollback would work. True when nothing is wrong. Changes nothing on the host and sends nothing.
Result<bool> run_check(const Places& places);

}  // namespace serin::agent
