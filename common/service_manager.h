#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

namespace serin {

// What systemd tells a service and is told by it: one datagram and a few environment variables, so
// no program of ours links libsystemd for it. All of it does nothing where nobody asks.

/// Sends a state of sd_notify(3) ("READY=1", "STOPPING=1"), when the manager asked to be told
/// (NOTIFY_SOCKET).
void notify_manager(std::string_view state);

/// The time within which the manager wants to hear WATCHDOG=1 again and again (WatchdogSec=);
/// nullopt when it does not watch this process.
std::optional<std::chrono::microseconds> watchdog_time();

/// Where to read a secret that stands at `file`: the copy that the manager made for us
/// (LoadCredential=), else `file` itself. A file's credential is named by its path with '-' for
/// '/' ("etc-serin-agent.creds"), that of a file in a folder that was handed over by the folder's,
/// '_' and the file's ("etc-serin-notify.d_slack.url"). One that holds no more than a line end
/// stands for a file that was not there: systemd refuses to start a unit without its credentials,
/// unless it is given such a default.
std::filesystem::path credential_path(const std::filesystem::path& file);

}  // namespace serin
