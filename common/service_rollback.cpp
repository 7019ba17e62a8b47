#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/service_fields.h"

namespace serin::service_fields {
namespace {

/// The unit that runs an action is stopped by systemd after 15 minutes (TimeoutStartSec).
constexpr double kLongestActionSeconds = 15 * 60;
constexpr std::array<std::string_view, 6> kSignals = {"HUP", "USR1", "USR2", "TERM", "INT", "QUIT"};

using Restart = decltype(ServiceFile::Rollback::restart);

Restart read_restart_table(ConfigTable& parent, ConfigTable& table) {
  if (table.has("command") == table.has("signal")) {
    parent.problem("restart", "must hold either a command or a signal");
  }
  Restart restart;
  if (auto words = argv(table, "command")) restart = ServiceFile::RestartCommand{std::move(*words)};
  if (auto signal = table.string("signal")) {
    if (signal->starts_with("SIG")) signal->erase(0, 3);
    if (std::find(kSignals.begin(), kSignals.end(), *signal) == kSignals.end()) {
      table.problem("signal", fmt::format("\"{:.40}\" is not known; there are {}", *signal,
                                          listed(kSignals)));
    }
    restart = ServiceFile::RestartSignal{std::move(*signal)};
  }
  return restart;
}

Restart read_restart(ConfigTable& table) {
  if (table.kind("restart") == ConfigTable::Kind::table) {
    auto inner = *table.table("restart");
    return read_restart_table(table, inner);
  }
  if (table.has("restart") && table.kind("restart") != ConfigTable::Kind::string) {
    table.string("restart");  // ticked off, and its type a problem
    return {};
  }
  auto unit = table.string("restart");
  if (!unit) return {};
  if (!is_unit_name(*unit)) {
    table.problem("restart",
                  "must be a unit such as \"api.service\", { command = [\"/abs/path\", …] } or { "
                  "signal = \"HUP\" }");
  }
  return ServiceFile::RestartUnit{std::move(*unit)};
}

/// Spaces and control characters would let the text say more than a URL in the request that is
/// sent.
bool is_plain_http(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  constexpr size_t kMostBytes = 1024;
  return url.starts_with(kScheme) && url.size() > kScheme.size() && url.size() <= kMostBytes &&
         url[kScheme.size()] != '/' &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

ServiceFile::Healthy read_healthy(ConfigTable& parent) {
  ServiceFile::Healthy healthy;
  auto table = parent.table("healthy");
  if (!table) return healthy;
  healthy.http = table->string("http").value_or("");
  if (table->has("http") && !is_plain_http(healthy.http)) {
    table->problem(
        "http",
        "must be a URL that begins with http://, such as \"http://127.0.0.1:8080/healthz\"");
  }
  healthy.within_seconds = table->duration_seconds("within").value_or(healthy.within_seconds);
  if (healthy.within_seconds <= 0) table->problem("within", "must be more than nothing");
  return healthy;
}

}  // namespace

ServiceFile::Rollback read_rollback(ConfigTable& table, const ServiceFile& service) {
  ServiceFile::Rollback rollback;
  read_action(table, service, rollback);
  rollback.restart = read_restart(table);
  rollback.healthy = read_healthy(table);
  rollback.timeout_seconds = table.duration_seconds("timeout").value_or(rollback.timeout_seconds);
  if (rollback.timeout_seconds <= 0 || rollback.timeout_seconds > kLongestActionSeconds) {
    table.problem("timeout", "must be more than nothing and at most 15m");
  }
  if (rollback.healthy.within_seconds > rollback.timeout_seconds) {
    table.problem("healthy", "waits longer than the whole action's timeout");
  }
  return rollback;
}

}  // namespace serin::service_fields
