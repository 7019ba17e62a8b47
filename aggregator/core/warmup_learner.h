#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/judge/warmup.h"
#include "aggregator/core/track.h"

namespace serin::core {

/// Follows hosts of a service after a restart of a version that is known to be good, and compares
/// them with the other hosts of that version, 10 s by 10 s. What remains of a restart that went its
/// way undisturbed is a lesson for the service's warm-up profile.
///
/// Costs five counts a sample and followed restart, and nothing while none is followed.
class WarmupLearner {
 public:
  using Tracks = std::vector<std::unique_ptr<Track>>;
  /// Followed until this age; what lasts longer is no warm-up.
  static constexpr int64_t kFollowUs = 200'000'000;
  static constexpr size_t kMaxFollowed = 8;

  struct Lesson {
    uint32_t host = 0;
    std::string version;
    int64_t started_us = 0;
    judge::WarmupRestart restart{};
  };

  /// A process of this version started on this host. Left out where its own past on the version is
  /// too short to tell its level, and where many hosts restart at once: then those that are left
  /// carry the load of all, and are no measure.
  void begin(const Tracks& tracks, uint32_t host, const std::string& version, int64_t at_us);
  /// The process ended, or something else started: what was seen so far is no lesson.
  void forget(uint32_t host);
  /// A sample that may be judged; `age_seconds` of the process at the start of its interval.
  void see(uint32_t host, const Sample& sample, int64_t end_us, double age_seconds);
  /// Those that have come to their end.
  std::vector<Lesson> finished(int64_t now_us);

  [[nodiscard]] bool following() const { return !followed_.empty(); }

 private:
  static constexpr size_t kEdges = judge::kWarmupStreams - 1;
  static constexpr int64_t kBlockUs = 10'000'000;
  static constexpr size_t kBlocks = static_cast<size_t>(kFollowUs / kBlockUs);

  /// Requests and bad ones, by stream.
  struct Counts {
    std::array<double, judge::kWarmupStreams> requests{}, bad{};
  };
  struct Followed {
    uint32_t host = 0;
    std::string version;
    int64_t started_us = 0;
    std::array<std::optional<int32_t>, kEdges> edges{};
    /// Log odds of the host against the others, before the restart.
    std::array<double, judge::kWarmupStreams> level{};
    double usual_errors = 0;  ///< share, on all hosts, before the restart
    std::array<Counts, judge::kWarmupBins> own{};
    std::array<Counts, kBlocks> others{};
    double seen_seconds = 0;
    std::optional<uint32_t> another;  ///< one of the other hosts
    bool several = false;             ///< more than one was heard
  };

  Followed* find(uint32_t host);
  static void count(Counts& into, const Followed& followed, uint64_t requests, uint64_t errors,
                    const ExpHistogram& latency);
  static bool measure_past(Followed& followed, const Tracks& tracks);
  static bool undisturbed(const Followed& followed);
  static Lesson lesson_of(const Followed& followed);

  std::vector<Followed> followed_;
  int64_t unquiet_until_us_ = 0;  ///< many restarted at once
};

}  // namespace serin::core
