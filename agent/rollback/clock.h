#pragma once

#include <cstdint>

namespace serin::helper {

/// Time as the helper sees it: passed in, so that what decides never asks the system by itself.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual int64_t wall_us() const = 0;  ///< the host's own wall clock
  [[nodiscard]] virtual int64_t boot_us() const = 0;  ///< CLOCK_BOOTTIME
  virtual void pause_us(int64_t duration_us) const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] int64_t wall_us() const override;
  [[nodiscard]] int64_t boot_us() const override;
  void pause_us(int64_t duration_us) const override;
};

inline constexpr int64_t kSecondUs = 1'000'000;

inline int64_t microseconds(double seconds) {
  return static_cast<int64_t>(seconds * static_cast<double>(kSecondUs));
}

}  // namespace serin::helper
