#include "agent/sampler/agent_config.h"

#include <unistd.h>

#include <array>

#include "common/config.h"
#include "common/ids.h"
#include "common/service_manager.h"

namespace serin::agent {
namespace {

constexpr size_t kMaxHostId = 64;

void read_nats(ConfigTable& nats, AgentConfig& config) {
  if (auto urls = nats.strings("url")) config.nats_urls = std::move(*urls);
  if (config.nats_urls.empty()) nats.missing("url", "the NATS servers that samples are sent to");
  if (auto file = nats.string("credentials")) config.credentials = credential_path(*file);
}

void read_host(ConfigTable& host, AgentConfig& config) {
  if (auto id = host.string("id")) {
    if (!is_host_id(*id)) host.problem("id", "must be 1 to 64 bytes without control characters");
    config.host = std::move(*id);
  }
  if (auto labels = host.table("labels")) config.labels = labels->string_map();
}

void read_path(ConfigTable& agent, std::string_view key, std::filesystem::path& path) {
  auto text = agent.string(key);
  if (!text) return;
  path = *text;
  if (!path.is_absolute()) agent.problem(key, "must be an absolute path");
}

Result<AgentConfig> read(ConfigTable& root) {
  AgentConfig config;
  if (auto nats = root.table("nats")) {
    read_nats(*nats, config);
  } else {
    root.missing("nats", "url = \"nats://…\" of the server that samples are sent to");
  }
  if (auto host = root.table("host")) read_host(*host, config);
  if (config.host.empty()) config.host = default_host_id();
  if (auto agent = root.table("agent")) {
    read_path(*agent, "state_dir", config.state_dir);
    read_path(*agent, "helper_socket", config.helper_socket);
    if (agent->has("state_dir")) config.live_socket = config.state_dir / "live.sock";
    read_path(*agent, "live_socket", config.live_socket);
    if (agent->has("metrics_file")) {
      config.metrics_file.emplace();
      read_path(*agent, "metrics_file", *config.metrics_file);
    }
  }
  if (auto outcome = root.finish(); !outcome) return std::unexpected(outcome.error());
  return config;
}

}  // namespace

Result<AgentConfig> load_agent_config(const std::filesystem::path& file) {
  auto root = ConfigTable::parse_file(file);
  if (!root) return std::unexpected(root.error());
  return read(*root);
}

Result<AgentConfig> parse_agent_config(std::string_view text, std::string name_for_errors) {
  auto root = ConfigTable::parse_text(text, std::move(name_for_errors));
  if (!root) return std::unexpected(root.error());
  return read(*root);
}

std::string default_host_id() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  std::string host(name.data());
  host.resize(std::min(host.size(), kMaxHostId));
  for (char& c : host)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return host;
}

}  // namespace serin::agent
