#pragma once

#include <optional>
#include <string_view>

namespace serin::agent {

struct SyslogMessage {
  std::string_view tag;   ///< the program's name, without its `[pid]`
  std::string_view text;  ///< without the header and the line's end
};

/// A message as nginx, HAProxy, Apache through `logger`, and rsyslog's files write it: RFC 3164
/// with or without priority and host name, with its old time or an ISO 8601 one, and RFC 5424.
/// nullopt when it has no such header. The views point into `message`.
std::optional<SyslogMessage> parse_syslog(std::string_view message);

}  // namespace serin::agent
