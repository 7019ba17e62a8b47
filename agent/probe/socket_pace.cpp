#include "agent/probe/socket_pace.h"

#include <algorithm>

namespace serin::agent {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;
constexpr uint64_t kEarlyUs = 500'000;  // ticks come on whole seconds, some a moment early

}  // namespace

bool SocketPace::is_due(uint64_t now_us) const {
  return now_us + kEarlyUs >= last_us_ + period_us_;
}

void SocketPace::looked(uint64_t now_us, uint64_t cost_ns, uint64_t budget_ns) {
  last_us_ = now_us;
  cost_ns_ = std::max(cost_ns, (cost_ns_ * 3 + cost_ns) / 4);
  const uint64_t budget = std::max<uint64_t>(budget_ns, 1);
  const uint64_t seconds = cost_ns_ / budget + (cost_ns_ % budget != 0 ? 1 : 0);
  period_us_ =
      std::clamp(std::min(seconds, kSlowestUs / kSecondUs) * kSecondUs, kFastestUs, kSlowestUs);
}

void SocketPace::looked_in_vain(uint64_t now_us) {
  last_us_ = now_us;
  period_us_ = kInVainUs;
}

}  // namespace serin::agent
