#pragma once

#include <array>

#include "aggregator/core/judge/count_plan.h"
#include "aggregator/core/judge/count_stream.h"

// Has it been shown that the canary stays below a limit? An e-process against "at or
// above the limit", host spread subtracted from the limit. No warm-up margin: a canary that is
// still warming up only passes later.

namespace serin::judge {

class EarlyPass {
 public:
  /// `limit` in log odds above what is usual.
  EarlyPass(const CountPlan& plan, double limit);

  void step(const Counts& counts, double shift);

  /// False: hosts differ too much by nature for this many canary hosts to show it.
  [[nodiscard]] bool possible() const { return possible_; }
  [[nodiscard]] bool shown() const { return possible_ && highest_ >= threshold(); }
  [[nodiscard]] double log_evidence() const;
  [[nodiscard]] static double threshold();

 private:
  static constexpr size_t kAlternatives = 5;
  bool possible_;
  double limit_, temper_per_information_, highest_ = 0;
  std::array<double, kAlternatives> below_, log_likelihood_{};
};

}  // namespace serin::judge
