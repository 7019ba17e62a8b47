#pragma once

#include <filesystem>
#include <optional>

#include "agent/rollback/clock.h"
#include "agent/rollback/helper.h"
#include "agent/rollback/settings.h"
#include "common/error.h"
#include "common/file.h"

namespace serin::helper {

/// A SOCK_SEQPACKET socket of our own at `path`, mode 0660, of group `serin` where we are root and
/// there is one. A socket that nobody answers any more is replaced. Errors: somebody answers, or
/// something else lies there.
Result<UniqueFd> listen_at(const std::filesystem::path& path);
/// The one that systemd hands over (LISTEN_FDS); nullopt when it does not.
std::optional<UniqueFd> handed_over_socket();

struct ServerOptions {
  std::optional<int64_t> idle_us;  ///< leave after so long without a connection; never where absent
  int stop_fd = -1;                ///< leave when it becomes readable
};

/// Takes connections until told to stop: up to 16 at a time, each with one second for its one
/// request, so that a silent one delays nobody.
Result<void> serve(const UniqueFd& listening, Helper& helper, const Settings& settings,
                   const Clock& clock, const ServerOptions& options);

}  // namespace serin::helper
