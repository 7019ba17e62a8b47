#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "aggregator/core/judge/detector.h"

// What would have been seen by now? The detector itself, run on expected counts: six effects
// against the baseline's current rate, and the effect that must be seen before a silent window
// counts as a pass. Steps of 10 s.

namespace serin::judge {

/// An effect on the bad share of the canary: its log odds raised, or a share of requests added.
struct Effect {
  double log_odds = 0;
  double added_share = 0;
  double shown = 1;  ///< as people see it: a ratio
};

class Foresight {
 public:
  static constexpr size_t kEffects = 6;
  /// `plan` is copied; `effects` ascend.
  Foresight(const CountPlan& plan, double least_share, std::span<const Effect, kEffects> effects,
            const Effect& must_see);

  void step(const Counts& counts, const Offset& offset);

  /// Smallest effect, as shown, whose expected evidence has crossed; absent if none.
  [[nodiscard]] std::optional<double> visible_effect() const;
  /// The next smaller effect, as shown, and how long until it would be seen at this traffic; absent
  /// where all are visible. `seconds` absent: it cannot be told.
  struct Next {
    double shown = 1;
    std::optional<double> seconds;
  };
  [[nodiscard]] std::optional<Next> next() const;
  /// Whether `must_see` would have been seen by now with 90 % power.
  [[nodiscard]] bool must_see_visible() const { return must_see_.detector.fired(); }
  /// Until then at this traffic; 0 = already, absent = cannot be told.
  [[nodiscard]] std::optional<double> seconds_to_must_see() const;

 private:
  struct Watch {
    Effect effect;
    Detector detector;
    double expected = 0,
           counted = 0;             ///< bad requests expected so far; of these, fed to the detector
    double middle = 0, before = 0;  ///< progress at the check points
  };
  enum class Power { even, high };
  void advance(Watch& watch, Power power, const Counts& tick, const Offset& offset);
  void check_point();
  [[nodiscard]] std::optional<double> seconds_to(const Watch& watch) const;

  std::unique_ptr<CountPlan> plan_;
  std::array<Watch, kEffects> effects_;
  Watch must_see_;
  Counts tick_;
  double tick_seconds_ = 0, elapsed_ = 0, faded_ = 0, shifted_ = 0, step_seconds_ = 1;
  double middle_seconds_ = 0, before_seconds_ = 0;  // check points: the end of a tick each
  double fade_ = 0;                                 // of the last tick
};

}  // namespace serin::judge
