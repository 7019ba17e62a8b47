#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "aggregator/core/sequence.h"
#include "schema/messages.h"

namespace serin::core {

/// Who speaks in a host's name: incarnations of its agent, and whether two of them speak at once.
class HostBook {
 public:
  enum class Heard {
    fresh,     ///< fold it
    repeat,    ///< seen before: drop it
    conflict,  ///< an older incarnation speaks beside a newer one: two hosts with one id
  };
  /// `end_us` is when the message's content ended (stored time less age), `now_us` the canonical time.
  Heard hear(const Identity& from, const std::string& service, int64_t end_us, int64_t now_us);

  /// Two agents have spoken under one id within the last kConflictQuietUs.
  [[nodiscard]] bool in_conflict(int64_t now_us) const {
    return conflict_us_ != 0 && now_us - conflict_us_ < kConflictQuietUs;
  }
  [[nodiscard]] uint64_t missing(const std::string& service) const;
  /// The newest incarnation, as a name.
  [[nodiscard]] std::string newest() const;

  static constexpr int64_t kConflictQuietUs = 120'000'000;

 private:
  struct Incarnation {
    std::string boot_id;
    uint64_t agent_start_us = 0;
    int64_t first_end_us = 0;
    std::map<std::string, SequenceTracker> sequences;
  };
  static constexpr size_t kMaxIncarnations = 4;  ///< the current one and those that may still be in flight

  std::vector<Incarnation> incarnations_;  ///< oldest first
  std::map<std::string, uint64_t> missing_before_;  ///< of forgotten incarnations
  int64_t conflict_us_ = 0;
};

}  // namespace serin::core
