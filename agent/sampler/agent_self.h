#pragma once

#include "agent/uplink/uplink.h"
#include "schema/messages.h"

namespace serin::agent {

/// The agent on itself: its CPU time and memory from the kernel, the rest as given.
AgentSelf agent_self(const Uplink::Stats& uplink, uint64_t lines_skipped, uint64_t late_ticks);

}  // namespace serin::agent
