#include "agent/sampler/cut_off.h"

namespace serin::agent {

bool CutOff::observe(const Seen& seen) {
  // A link that is dead without knowing it acknowledges nothing, and messages stay.
  const bool moves = seen.uplink.acked != acked_ || seen.uplink.ring_messages == 0;
  acked_ = seen.uplink.acked;
  if (!heard_us_ || (seen.uplink.connected && moves)) heard_us_ = seen.now_us;
  const bool young = seen.version_age_us && *seen.version_age_us <= within_us_;
  if (!is_cut_off(seen.now_us) || !young || seen.well) return false;
  if (hinted_us_ && seen.now_us - *hinted_us_ < kHintEveryUs) return false;
  hinted_us_ = seen.now_us;
  return true;
}

}  // namespace serin::agent
