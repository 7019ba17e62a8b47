#pragma once

#include <cstddef>
#include <cstdint>

// How large the parts of a message may be. Readers refuse more; whoever builds a message keeps
// below, as the messages of a fleet share one stream of 64 KiB a message.

namespace serin::limits {

inline constexpr size_t kIdBytes =
    200;  ///< deploy, effect, generation, artefact, boot and idempotency ids
inline constexpr size_t kNameBytes = 128;  ///< metric, fact, step and actor names
inline constexpr size_t kTextBytes =
    1024;  ///< a sentence for people; longer ones are cut when written
inline constexpr size_t kStepReasonBytes = 256;  ///< kSteps of these fit the helper socket's 16 KiB
inline constexpr size_t kPolicyBytes =
    60 * 1024;  ///< the effective policy of a whole fleet in one message

inline constexpr size_t kMetrics = 256;  ///< counters, gauges or absent metrics of one sample
inline constexpr size_t kFacts = 256;  ///< packages that differ, mapped libraries, kernel, limits …
inline constexpr size_t kHosts =
    2000;  ///< hosts of a decision: with ids of 20 bytes, what 64 KiB hold
inline constexpr size_t kSteps =
    32;  ///< a rollback has about eight, twice that with a second action

inline constexpr int64_t kTimeUs =
    4'000'000'000'000'000;  ///< year 2096; whole µs survive a double in seconds
inline constexpr uint32_t kIntervalUs = 3'600'000'000;  ///< one hour
inline constexpr uint64_t kCount =
    1'000'000'000'000;  ///< requests of an interval: sums cannot overflow
inline constexpr uint64_t kAmount = uint64_t{1} << 60;  ///< bytes, faults, descriptors

}  // namespace serin::limits
