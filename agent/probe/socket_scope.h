#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/probe/socket_filter.h"
#include "common/error.h"

namespace serin::agent {

/// Ids by which the kernel knows a control group and those below it; fails where it is not one of
/// version 2, and with more than SocketFilter::kMostGroups of them. About 10 µs a group.
Result<std::vector<uint64_t>> group_ids(const std::filesystem::path& folder);

/// Whether a process has other network interfaces, and so other sockets, than the agent; absent
/// where that cannot be told. Needs no right to look into the process: it compares what /proc shows
/// of both networks.
std::optional<bool> in_other_network(const std::filesystem::path& proc, int32_t pid);

}  // namespace serin::agent
