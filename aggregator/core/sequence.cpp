#include "aggregator/core/sequence.h"

#include <iterator>

namespace serin::core {

bool SequenceTracker::observe(uint64_t sequence) {
  if (sequence > last_) {
    if (last_ == 0) first_ = sequence;
    if (sequence > last_ + 1) {
      if (last_ != 0) missing_ += sequence - last_ - 1;
      holes_[last_ + 1] = sequence - 1;
      if (holes_.size() > kMaxHoles) holes_.erase(holes_.begin());
    }
    last_ = sequence;
    return true;
  }
  auto hole = holes_.upper_bound(sequence);
  if (hole == holes_.begin()) return false;
  hole = std::prev(hole);
  auto [first, last] = *hole;
  if (sequence > last) return false;
  holes_.erase(hole);
  if (sequence > first) holes_[first] = sequence - 1;
  if (sequence < last) holes_[sequence + 1] = last;
  if (sequence > first_) --missing_;
  return true;
}

}  // namespace serin::core
