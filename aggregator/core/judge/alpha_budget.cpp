#include "aggregator/core/judge/alpha_budget.h"

namespace serin::judge {
namespace {

// In the order of Share: most goes where most regressions show first. Restarts have their part of
// the whole, the others share the rest in proportion to theirs. Sockets come last, so that a fleet
// whose agents do not tell of them has the same alphas, bit for bit, as before anybody could.
constexpr std::array<double, kShares> kParts = {.30, .025, .025, .025, .025, .26, .10, .08,
                                                .04, .04,  .03,  .05,  .03,  .02, .01};
constexpr auto kRestarts = static_cast<size_t>(Share::restarts);

}  // namespace

std::array<double, kShares> alpha_budget(const Options& options, const Present& present) {
  double used = 0;
  for (size_t i = 0; i < kShares; ++i) {
    if (i != kRestarts && present[i]) used += kParts[i];
  }
  std::array<double, kShares> alpha{};
  const double whole = options.false_rollback_probability;
  for (size_t i = 0; i < kShares; ++i) {
    if (i == kRestarts) {
      alpha[i] = whole * kParts[i];
    } else if (present[i]) {
      alpha[i] = whole * options.inflation * (1 - kParts[kRestarts]) * kParts[i] / used;
    }
  }
  return alpha;
}

}  // namespace serin::judge
