#pragma once

#include <cstddef>
#include <cstdint>

// How large the parts of a message may be. Readers refuse more; whoever builds a message keeps
// below, as the messages of a fleet share one stream of 64 KiB a message.

namespace serin::limits {

/// Ids of deploys, effects, generations, artefacts, boots and requests: a service (63), a version
/// (128) or a host (64), and what joins them.
inline constexpr size_t kIdBytes = 256;
/// Names of metrics, facts, steps and actors.
inline constexpr size_t kNameBytes = 128;
/// A sentence for people; a longer one is cut when it is written.
inline constexpr size_t kTextBytes = 1024;
/// Names of the helper's steps: ours alone.
inline constexpr size_t kStepNameBytes = 32;
/// kSteps of these fit the helper socket's 16 KiB.
inline constexpr size_t kStepReasonBytes = 256;
/// The effective policy of a whole fleet, in one message.
inline constexpr size_t kPolicyBytes = size_t{60} * 1024;

/// What restarts of one service have taught: five curves of thirteen ages, three numbers each.
inline constexpr size_t kWarmupBytes = size_t{16} * 1024;

/// Counters, gauges or absent metrics of one sample.
inline constexpr size_t kMetrics = 256;
/// Ports that a service connects to, in one sample: the busiest ones.
inline constexpr size_t kRemotes = 16;
/// Classes of requests in one sample, the one that holds the rest included.
inline constexpr size_t kClasses = 16;
/// Packages that differ, mapped libraries, kernel, limits …
inline constexpr size_t kFacts = 256;
/// Hosts of a decision: with ids of 20 bytes, what 64 KiB hold.
inline constexpr size_t kHosts = 2000;
/// A rollback has about eight, twice that with a second action; a drill eleven.
inline constexpr size_t kSteps = 32;
/// Mapped libraries in an answer of the helper, which has to fit 16 KiB; names beyond this are cut.
inline constexpr size_t kLibraries = 96;
inline constexpr size_t kLibraryNameBytes = 64;
inline constexpr size_t kLibraryIdBytes = 16;  ///< the first half of a build-id tells it apart

/// The year 2096: up to here whole microseconds survive a double in seconds.
inline constexpr int64_t kTimeUs = 4'000'000'000'000'000;
inline constexpr uint32_t kIntervalUs = 3'600'000'000;  ///< one hour
/// Requests of an interval: sums over a fleet cannot overflow.
inline constexpr uint64_t kCount = 1'000'000'000'000;
/// Bytes, faults, descriptors.
inline constexpr uint64_t kAmount = uint64_t{1} << 60;

}  // namespace serin::limits
