#pragma once

#include <filesystem>

#include "agent/discover/discover.h"
#include "agent/live/top.h"
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

enum class Output { text, json };

/// `serin-agent check`: writes to standard output what is seen, what is not and why, and whether a
/// rollback would work. True when nothing is wrong. Changes nothing on the host; of NATS it asks
/// what the agent may do there, and leaves nothing behind.
Result<bool> run_check(const Places& places, Output output);

/// `serin-agent discover`: prints a service file for each unit that listens, or writes them into
/// `write_to`. True when each can be used.
Result<bool> run_discover(const DiscoverOptions& options,
                          const std::optional<std::filesystem::path>& write_to);

/// `serin-agent top`: shows what the running agent sends.
Result<void> run_top(const Places& places, const TopOptions& options);

}  // namespace serin::agent
