#pragma once

#include <cstdint>
#include <string>

#include "aggregator/core/view.h"

namespace serin::core {

/// A rehearsed rollback on one healthy host: there and back again, asked for by a person.
struct Drill {
  static constexpr size_t kMost = 200;  ///< the oldest ended ones are forgotten
  static constexpr int64_t kAnswerUs = 60'000'000;  ///< asked for now: an answer tomorrow is of no use
  static constexpr int64_t kLongestUs = 15 * 60'000'000LL;  ///< the host's own time limit for an action
  static constexpr size_t kMostSteps = 40;

  DrillView view;
  std::string command;  ///< its id; empty: refused before anything was commanded
  uint32_t revision = 0;
  int64_t next_issue_us = 0;

  [[nodiscard]] bool running() const { return view.state == DrillState::running; }
  [[nodiscard]] bool answered() const { return !view.step.empty(); }
  /// A step that is not further than the last one is a repeat, and changes nothing.
  bool take_step(const std::string& step, const std::string& reason, int64_t at_us);
};

}  // namespace serin::core
