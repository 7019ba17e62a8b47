#include "agent/uplink/ring.h"

#include <algorithm>
#include <utility>

namespace serin::agent {

size_t Ring::push(size_t channel, uint64_t end_boot_us, Bytes payload) {
  bytes_ += payload.size() + kOverheadBytes;
  ++messages_;
  ++waiting_;
  slots_.push_back({{next_id_++, channel, end_boot_us, std::move(payload)}, State::waiting});
  size_t dropped = 0;
  while (bytes_ > limit_bytes_ && messages_ > 1) {
    empty(slots_.front());  // trimmed: the front is never gone
    trim();
    ++dropped;
  }
  return dropped;
}

const Ring::Message* Ring::take(const std::function<bool(size_t)>& allowed) {
  if (waiting_ == 0) return nullptr;
  bool skipped = false;
  const uint64_t base = slots_.front().message.id;
  for (uint64_t id = std::max(first_waiting_, base); id < next_id_; ++id) {
    Slot& slot = slots_[id - base];
    if (slot.state != State::waiting) continue;
    if (!allowed(slot.message.channel)) {
      if (!skipped) first_waiting_ = id;
      skipped = true;
      continue;
    }
    slot.state = State::handed_over;
    --waiting_;
    if (!skipped) first_waiting_ = id + 1;
    return &slot.message;
  }
  return nullptr;
}

bool Ring::remove(uint64_t id) {
  Slot* slot = find(id);
  if (slot == nullptr) return false;
  empty(*slot);
  trim();
  return true;
}

void Ring::release(uint64_t id) {
  Slot* slot = find(id);
  if (slot == nullptr || slot->state != State::handed_over) return;
  slot->state = State::waiting;
  ++waiting_;
  first_waiting_ = std::min(first_waiting_, id);
}

void Ring::rewind() {
  for (Slot& slot : slots_) {
    if (slot.state == State::handed_over) release(slot.message.id);
  }
}

Ring::Slot* Ring::find(uint64_t id) {
  if (slots_.empty() || id < slots_.front().message.id || id >= next_id_) return nullptr;
  Slot& slot = slots_[id - slots_.front().message.id];
  return slot.state == State::gone ? nullptr : &slot;
}

void Ring::empty(Slot& slot) {
  bytes_ -= slot.message.payload.size() + kOverheadBytes;
  --messages_;
  if (slot.state == State::waiting) --waiting_;
  slot.state = State::gone;
  slot.message.payload = Bytes();
}

void Ring::trim() {
  while (!slots_.empty() && slots_.front().state == State::gone) slots_.pop_front();
}

}  // namespace serin::agent
