#pragma once

#include <cstdint>
#include <ctime>
#include <span>
#include <string>

#include "common/error.h"
#include "common/ids.h"

namespace serin::agent {

/// CLOCK_BOOTTIME, which goes on while a machine sleeps, as an age must.
uint64_t boot_now_us();

/// A finished Sample or Event with its age as of now. Read and written again rather than patched in
/// place, so that only wire.h knows the format; some 2 µs.
Result<Bytes> with_age(std::span<const uint8_t> message, uint64_t end_boot_us);

/// What is left of an attention that a stream has kept since `stored` (RFC 3339; empty: it is
/// live). A host whose clock runs ahead sees it lapse early and waits for the next renewal; one
/// whose clock is behind gets all of it.
uint32_t remaining_seconds(uint32_t lasting_seconds, const std::string& stored,
                           std::time_t wall_now);

}  // namespace serin::agent
