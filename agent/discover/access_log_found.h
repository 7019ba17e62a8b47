#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

namespace serin::agent {

/// An access log that a web server's configuration names.
struct FoundLog {
  std::filesystem::path path;
  std::string format;         ///< nginx log_format text, or one of our presets
  std::string where;          ///< the file and line that say so
  std::string problem;        ///< why it cannot be followed; empty: it can
  std::set<uint16_t> behind;  ///< ports of this host that its requests are handed on to
  bool also_own = false;  ///< some of its requests are answered by the server itself, or elsewhere
};

}  // namespace serin::agent
