#pragma once

#include "common/error.h"
#include "demo/supervisor/keeper.h"

namespace shop {

/// Runs the host's shop until SIGTERM or SIGINT. Answers `restart` on the host's socket.
serin::Result<void> supervise(const HostFolder& host);
/// Asks the host's supervisor to stop the shop and start what `current` points to now; returns once
/// the new process runs (which does not say that it serves), as `systemctl restart` does.
serin::Result<void> ask_restart(const HostFolder& host);

}  // namespace shop
