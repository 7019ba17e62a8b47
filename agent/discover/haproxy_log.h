#pragma once

#include <filesystem>
#include <string>

#include "agent/discover/host_tree.h"

namespace serin::agent {

/// How HAProxy logs requests, by its configuration.
struct HaproxyLog {
  std::string format;  ///< "haproxy" or "haproxy_https"; empty: no `option httplog`
  std::string tag = "haproxy";
  bool to_us = false;  ///< it sends to the agent's socket already
};

inline constexpr const char* kAgentSyslog = "/run/serin/agent/syslog.sock";

HaproxyLog haproxy_log(const HostTree& tree, const std::filesystem::path& config);

}  // namespace serin::agent
