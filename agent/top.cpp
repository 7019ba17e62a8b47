#include "agent/program.h"

namespace serin::agent {

Result<void> run_top(const Places& places, const TopOptions& options) {
  auto config = load_agent_config(places.config);
  if (!config) return std::unexpected(config.error());
  return run_top(config->live_socket, options);
}

}  // namespace serin::agent
