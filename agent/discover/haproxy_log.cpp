#include "agent/discover/haproxy_log.h"

#include <sstream>

namespace serin::agent {

HaproxyLog haproxy_log(const HostTree& tree, const std::filesystem::path& config) {
  HaproxyLog log;
  auto text = tree.text(config);
  if (!text) return log;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, second;
    words >> first >> second;
    if (first == "option" && second == "httplog" && log.format.empty()) log.format = "haproxy";
    if (first == "option" && second == "httpslog") log.format = "haproxy_https";
    if (first == "log-tag" && !second.empty()) log.tag = second;
    if (first == "log" && second == kAgentSyslog) log.to_us = true;
  }
  return log;
}

}  // namespace serin::agent
