#pragma once

#include <array>

#include "aggregator/core/judge/count_plan.h"

// Four e-processes on one count stream (errors, requests slower than an edge): random effects RE,
// boundary BND, slow and averaged SRS, late onset SRF. Each stays below 1 / alpha with probability
// 1 - alpha however often it is looked at, where the canary is no worse than hosts differ by
// nature. Stepping does not allocate; about 300 exponentials a step.

namespace serin::judge {

/// What is added to the log odds in one step, null and alternatives alike. `fade` is the warm-up
/// margin, `shift` the part that is known to be no effect at all (the baseline's hosts changed).
struct Offset {
  double shift = 0, fade = 0;
};

class CountStream {
 public:
  /// `plan` must outlive the stream.
  explicit CountStream(const CountPlan& plan);

  void step(const Counts& counts, const Offset& offset = {});

  [[nodiscard]] double log_evidence(Process p) const { return now_[static_cast<size_t>(p)]; }
  [[nodiscard]] double highest(Process p) const { return highest_[static_cast<size_t>(p)]; }
  [[nodiscard]] double threshold(Process p) const {
    return plan_->threshold[static_cast<size_t>(p)];
  }
  /// The process nearest to its threshold now.
  [[nodiscard]] Process nearest() const;

 private:
  static constexpr size_t kGrid = CountPlan::kGrid, kAlternatives = CountPlan::kAlternatives;
  using Grid = std::array<double, kGrid>;
  struct Mixture {  // start-time mixture over the alternatives above a boundary
    std::array<double, kAlternatives> sum{};
    double rest = 0, prior = 0;  // prior: weight of starts in one step
  };

  void random_effects(const Counts& counts, const Branch& branch, double offset);
  double start_evidence(size_t start) const;
  void mixture(Process p, const Counts& counts, const Branch& branch, const Offset& offset,
               double temper);
  void note(Process p, double log_evidence);

  const CountPlan* plan_;
  double elapsed_ = 0;
  Grid log_likelihood_{};
  std::array<Grid, CountPlan::kStarts> snapshot_{};
  size_t started_ = 0;
  double limited_ = 0;
  std::array<Mixture, kProcesses> mixtures_{};
  std::array<double, kProcesses> now_{}, highest_{};
};

}  // namespace serin::judge
