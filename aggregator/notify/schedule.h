#pragma once

#include <cstdint>
#include <string_view>

namespace serin::aggregator {

/// When a notification is tried again: 1 s, 2 s, 4 s … up to an hour, each ±20 % so that many do
/// not come back at the same instant. The jitter follows from the notification itself: no random
/// source, the same in every run.
struct RetrySchedule {
  uint64_t first_ms = 1000;
  uint64_t longest_ms = 3'600'000;
  /// 12 attempts in the first 70 minutes, then one an hour: 24 hours in all.
  int64_t most_attempts = 35;
  int64_t most_age_us = 24LL * 3600 * 1'000'000;
  /// An answer that blames this very message (400, 413, 415, 422) will hardly change.
  int64_t most_attempts_when_refused = 3;

  /// Wait after `attempts` (>= 1) attempts.
  [[nodiscard]] uint64_t delay_ms(std::string_view effect_id, std::string_view sink,
                                  int64_t attempts) const;
};

}  // namespace serin::aggregator
