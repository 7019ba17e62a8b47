#include "aggregator/notify/schedule.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/ids.h"

namespace serin::aggregator {

uint64_t RetrySchedule::delay_ms(std::string_view effect_id, std::string_view sink,
                                 int64_t attempts) const {
  constexpr int64_t kMostDoublings = 32;
  const auto doublings = std::clamp<int64_t>(attempts - 1, 0, kMostDoublings);
  const uint64_t delay = std::min(longest_ms, first_ms << doublings);
  const auto digest = sha256(as_bytes(fmt::format("{}|{}|{}", effect_id, sink, attempts)));
  constexpr uint64_t kSpreadPercent = 40;  // 80 % … 120 %
  const uint64_t percent = 80 + (uint64_t{digest[0]} * kSpreadPercent) / 255;
  return std::max<uint64_t>(1, delay * percent / 100);
}

}  // namespace serin::aggregator
