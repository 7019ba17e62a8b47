#pragma once

#include <array>
#include <cstddef>

#include "aggregator/core/judge/battery.h"

namespace serin::judge {

enum class Share {
  errors,
  latency_p50,
  latency_p90,
  latency_p99,
  latency_p999,
  latency_shape,
  business,
  cpu_per_request,
  rss_bytes,
  fds,
  threads,
  restarts,
  connections,
  failed_connects,
  accept_overflows,
};
inline constexpr size_t kShares = 15;

/// Which metrics the service has, as its history shows. Decided before the watch.
using Present = std::array<bool, kShares>;

/// How a deploy's probability of a false rollback is split over its metrics. What an absent metric
/// would have had goes to the present ones in proportion; restarts neither give nor take, since
/// their bound is exact.
std::array<double, kShares> alpha_budget(const Options& options, const Present& present);

}  // namespace serin::judge
