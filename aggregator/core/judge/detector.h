#pragma once

#include <optional>

#include "aggregator/core/judge/count_stream.h"
#include "aggregator/core/judge/floor_test.h"

// A count stream with its guards: clumped counts are tempered, the absolute floor must
// be passed, and three bad requests in two different steps are the least that anything is decided
// on. Latches.

namespace serin::judge {

class Detector {
 public:
  /// `least_share`: a bad share at or below it is nobody's problem; 0 = none. `plan` must outlive
  /// the detector.
  Detector(const CountPlan& plan, double least_share);

  void step(const Counts& counts, const Offset& offset);

  [[nodiscard]] bool fired() const { return fired_.has_value(); }
  /// The process that fired, else the one nearest to its threshold.
  [[nodiscard]] Process process() const { return fired_ ? *fired_ : stream_.nearest(); }
  [[nodiscard]] double log_evidence() const;
  [[nodiscard]] double threshold() const { return stream_.threshold(process()); }
  /// How far the nearest process is on its way, guards included: 1 = fired.
  [[nodiscard]] double progress() const;
  [[nodiscard]] const CountStream& stream() const { return stream_; }

 private:
  static constexpr double kLeastBad = 3, kLeastSteps = 2;

  double clumping_;
  CountStream stream_;
  FloorTest floor_;
  double bad_ = 0, bad_steps_ = 0, fired_evidence_ = 0;
  std::optional<Process> fired_;
};

}  // namespace serin::judge
