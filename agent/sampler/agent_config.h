#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"

namespace serin::agent {

/// agent.toml.
///   [nats]
///   url = ["tls://nats-1:4222", "tls://nats-2:4222"]
///   credentials = "/etc/serin/agent.creds"
///   [host]
///   id = "web-07"                                # default: the host name in lower case
///   labels = { zone = "eu-1a", role = "web" }
///   [agent]
///   state_dir = "/var/lib/serin/agent"
///   helper_socket = "/run/serin/rollback.sock"
///   live_socket = "/run/serin/agent/live.sock"   # default: live.sock in another state_dir
///   metrics_file = "/var/lib/prometheus/node-exporter/serin.prom"
struct AgentConfig {
  std::vector<std::string> nats_urls;
  std::optional<std::filesystem::path> credentials;
  std::string host;
  std::vector<std::pair<std::string, std::string>> labels;
  std::filesystem::path state_dir = "/var/lib/serin/agent";
  std::filesystem::path helper_socket = "/run/serin/rollback.sock";
  std::filesystem::path live_socket = "/run/serin/agent/live.sock";
  std::optional<std::filesystem::path> metrics_file;  ///< what it costs, in Prometheus' text format
};

/// All problems at once, each with file and line.
Result<AgentConfig> load_agent_config(const std::filesystem::path& file);
Result<AgentConfig> parse_agent_config(std::string_view text, std::string name_for_errors);

/// The host name in lower case, at most 64 bytes.
std::string default_host_id();

}  // namespace serin::agent
