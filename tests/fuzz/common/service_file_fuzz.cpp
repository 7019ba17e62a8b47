#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/ids.h"
#include "common/service_file.h"

/// Whatever a service file holds: a service or an error with text, and what was accepted keeps its
/// promises.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto host = serin::host_from_token(text)) {
    SERIN_VERIFY(serin::host_token(*host) == text);
  }

  const auto service = serin::parse_service_file(text, "/etc/serin/services.d/api.toml");
  if (!service) {
    SERIN_VERIFY(service.error().message.find("api.toml") != std::string::npos);
    return 0;
  }
  for (const auto& requests : service->requests) {
    if (requests.source == "access_log") SERIN_VERIFY(requests.path.is_absolute());
    if (requests.source == "prometheus") SERIN_VERIFY(requests.url.target.starts_with('/'));
    if (requests.source == "statsd" || requests.source == "prometheus")
      SERIN_VERIFY(!requests.requests.empty() || !requests.latency.empty());
  }
  for (const auto& rollback : service->rollback) {
    if (rollback.action == "command") {
      SERIN_VERIFY(rollback.argv.at(0).starts_with('/'));
      continue;
    }
    SERIN_VERIFY(rollback.action == "release_symlink");
    SERIN_VERIFY(rollback.releases.is_absolute() && rollback.link.is_absolute());
    SERIN_VERIFY(!std::holds_alternative<std::monostate>(rollback.restart));
  }
  return 0;
}
