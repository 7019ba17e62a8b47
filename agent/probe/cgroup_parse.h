#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace serin::agent {

// Readers of the control groups' text files. Pure; nullopt for anything that does not have the
// documented shape (cgroup-v2.rst, accounting/psi.rst, cgroup-v1/).

/// The value of `key` in lines of "key value".
std::optional<uint64_t> parse_flat_keyed(std::string_view text, std::string_view key);

/// The sum of `key=value` over all lines.
std::optional<uint64_t> parse_nested_sum(std::string_view text, std::string_view key);

/// `key` of an io.stat, over all devices. A device without figures, which some kernels list, and a
/// file without devices are zero: the controller counts, and there was nothing to count.
std::optional<uint64_t> parse_io_stat(std::string_view text, std::string_view key);

/// Version 1's `MAJOR:MINOR Read N`, over all devices. Without one it is absent: such a file tells
/// neither that nothing was read nor whether anybody counts.
std::optional<uint64_t> parse_blkio_reads(std::string_view text);

/// Microseconds in which at least one task waited, since the group was made (PSI's `some`).
std::optional<uint64_t> parse_pressure_us(std::string_view text);

}  // namespace serin::agent
