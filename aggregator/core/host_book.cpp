#include "aggregator/core/host_book.h"

#include <algorithm>

namespace serin::core {

HostBook::Heard HostBook::hear(const Identity& from, const std::string& service, int64_t end_us,
                               int64_t now_us) {
  auto known = std::ranges::find_if(incarnations_, [&](const Incarnation& i) {
    return i.boot_id == from.boot_id && i.agent_start_us == from.agent_start_us;
  });
  if (known == incarnations_.end()) {
    // Within one boot a smaller start is an older agent, whatever the order of arrival.
    const bool older = !incarnations_.empty() && incarnations_.back().boot_id == from.boot_id &&
                       incarnations_.back().agent_start_us > from.agent_start_us;
    Incarnation fresh{from.boot_id, from.agent_start_us, end_us, {}};
    known = incarnations_.insert(older ? incarnations_.end() - 1 : incarnations_.end(),
                                 std::move(fresh));
    if (incarnations_.size() > kMaxIncarnations) {
      for (const auto& [name, tracker] : incarnations_.front().sequences) {
        missing_before_[name] += tracker.missing();
      }
      const auto at = known - incarnations_.begin();
      incarnations_.erase(incarnations_.begin());
      known = incarnations_.begin() + std::max<std::ptrdiff_t>(at - 1, 0);
    }
  }
  const bool is_newest = &*known == &incarnations_.back();
  if (from.sequence != 0 && !known->sequences[service].observe(from.sequence)) return Heard::repeat;
  // What an agent had in flight when it was replaced is no conflict; what it says of later times is.
  if (!is_newest && end_us > incarnations_.back().first_end_us) {
    conflict_us_ = now_us;
    return Heard::conflict;
  }
  return Heard::fresh;
}

std::string HostBook::newest() const {
  if (incarnations_.empty()) return {};
  return incarnations_.back().boot_id + ":" + std::to_string(incarnations_.back().agent_start_us);
}

uint64_t HostBook::missing(const std::string& service) const {
  uint64_t sum = 0;
  if (auto before = missing_before_.find(service); before != missing_before_.end()) {
    sum += before->second;
  }
  for (const auto& incarnation : incarnations_) {
    auto it = incarnation.sequences.find(service);
    if (it != incarnation.sequences.end()) sum += it->second.missing();
  }
  return sum;
}

}  // namespace serin::core
