#include "aggregator/render/time.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

namespace serin::render {

std::string rfc3339(int64_t time_us) {
  constexpr int64_t kLastOfYear9999 = 253'402'300'799'999'999;
  const std::chrono::sys_time<std::chrono::microseconds> at{
      std::chrono::microseconds{std::clamp<int64_t>(time_us, 0, kLastOfYear9999)}};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{at - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace serin::render
