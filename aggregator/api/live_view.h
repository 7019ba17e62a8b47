#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/core/fold.h"

namespace serin::aggregator {

/// What the shell counts beside the fold.
struct ShellCounters {
  uint64_t unreadable = 0;         ///< messages of the stream that were no messages of ours
  uint64_t effects_published = 0;  ///< decisions, commands and attention that were stored
  uint64_t effect_failures = 0;    ///< attempts that were not
  uint64_t effects_waiting = 0;
  uint64_t clock_failures = 0;
  uint64_t store_failures = 0;
  uint64_t store_debts = 0;  ///< changes that the disk has not taken yet
  uint64_t acts_waiting = 0;
  struct Sink {
    std::string name;
    uint64_t delivered = 0, failed_attempts = 0, given_up = 0, dropped = 0, waiting = 0;
  };
  std::vector<Sink> sinks;
};

/// What the API sees of the aggregator; the loop's thread, answers are copies.
class LiveView {
 public:
  virtual ~LiveView() = default;
  [[nodiscard]] virtual std::vector<core::ServiceView> services() const = 0;
  [[nodiscard]] virtual std::vector<core::HostView> hosts(std::string_view service,
                                                          core::FactScope facts) const = 0;
  [[nodiscard]] virtual std::vector<core::DeployView> deploys() const = 0;
  [[nodiscard]] virtual std::optional<core::DeployView> deploy(std::string_view id) const = 0;
  [[nodiscard]] virtual core::Fold::GateAnswer gate(std::string_view service,
                                                    std::string_view version,
                                                    size_t stage) const = 0;
  [[nodiscard]] virtual std::vector<core::DrillView> drills() const = 0;  ///< newest first
  [[nodiscard]] virtual std::optional<core::DrillView> drill(std::string_view id) const = 0;
  /// The stages of the service's policy, as it writes them; at least one.
  [[nodiscard]] virtual std::vector<std::string> stages(std::string_view service) const = 0;
  [[nodiscard]] virtual int64_t now_us() const = 0;
  [[nodiscard]] virtual uint64_t last_sequence() const = 0;
  [[nodiscard]] virtual core::Fold::Counters counters() const = 0;

  [[nodiscard]] virtual bool connected() const = 0;
  [[nodiscard]] virtual bool caught_up() const = 0;
  [[nodiscard]] virtual ShellCounters shell() const = 0;
  /// What is wrong right now, in sentences.
  [[nodiscard]] virtual std::vector<std::string> warnings() const = 0;
};

}  // namespace serin::aggregator
