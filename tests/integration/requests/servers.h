#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "tests/integration/requests/program.h"

namespace serin::agent {

/// A real proxy in front of the upstream, that writes its access log as Debian's packages do.
struct RealServer {
  Program program;
  uint16_t port = 0;
  int reopen_signal = 0;  ///< makes it reopen its log; 0: it has none
};

struct ServerSetting {
  std::filesystem::path folder;  ///< where it keeps everything
  uint16_t upstream = 0;
  uint16_t syslog = 0;  ///< UDP port to log to, with the tag "shop"; 0: to folder/access.log
};

// nullopt where the program is not installed, or did not start.
std::optional<RealServer> start_nginx(const ServerSetting& setting);
std::optional<RealServer> start_apache(const ServerSetting& setting);
std::optional<RealServer> start_haproxy(const ServerSetting& setting);

}  // namespace serin::agent
