#pragma once

#include <string>
#include <vector>

#include "agent/uplink/uplink.h"

namespace serin::agent {

/// One thing that the agent needs of NATS: there (no problem), or what is wrong and how to mend it.
struct BusFinding {
  std::string what, problem, fix;
};

/// Connects as the agent would and tries everything that it needs: to publish its samples and
/// events, to hear commands and attention, to ask for the last of them. Blocks: some ms where all
/// is well, about 4 s at most where it is not. Leaves nothing behind: what it publishes names a
/// stream that the subject is not of, so JetStream refuses it, and thereby says that it would have
/// taken it.
std::vector<BusFinding> look_at_bus(const Uplink::Options& options);

}  // namespace serin::agent
