#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "schema/messages.h"

namespace serin::agent {

/// What `serin-agent top` shows, from capture lines. Pure: no clock, no terminal. Holds the last
/// sample of each service and the last few events.
class LiveScreen {
 public:
  static constexpr size_t kMostServices = 256;
  static constexpr size_t kMostEvents = 5;

  /// A line that is none, or one service too many, is counted and left.
  void take(std::string_view line);
  [[nodiscard]] bool is_empty() const { return samples_.empty(); }
  /// As plain text, one block a service, of at most `columns` a line.
  [[nodiscard]] std::string render(size_t columns) const;

 private:
  void take(const Sample& sample);

  std::map<std::string, Sample> samples_;  ///< "_host" among them
  std::optional<double> self_cpu_;         ///< the agent's share of a core since its beat before
  std::deque<std::string> events_;
  uint64_t skipped_ = 0;
};

}  // namespace serin::agent
