#include "agent/probe/socket_table.h"

#include <algorithm>
#include <utility>

namespace serin::agent {
namespace {

constexpr size_t kFewestSlots = 64;
constexpr size_t kSparse = 16;  // slots for each socket, from which on half of them would do

}  // namespace

/// Where the cookie is, or would be.
size_t SocketTable::slot_of(uint64_t cookie) const {
  constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;  // spreads cookies, which count upwards
  const size_t mask = slots_.size() - 1;
  size_t slot = static_cast<size_t>(cookie * kGoldenRatio >> 32) & mask;
  while (slots_[slot].cookie != 0 && slots_[slot].cookie != cookie) slot = (slot + 1) & mask;
  return slot;
}

SeenSocket* SocketTable::find(uint64_t cookie) {
  if (slots_.empty() || cookie == 0) return nullptr;
  SeenSocket& socket = slots_[slot_of(cookie)];
  return socket.cookie == 0 ? nullptr : &socket;
}

bool SocketTable::add(const SeenSocket& socket) {
  if (size_ == kMost || socket.cookie == 0) return false;
  if ((size_ + 1) * 2 > slots_.size()) grow();
  slots_[slot_of(socket.cookie)] = socket;
  ++size_;
  return true;
}

void SocketTable::grow() {
  std::vector<SeenSocket> old =
      std::exchange(slots_, std::vector<SeenSocket>(std::max(kFewestSlots, slots_.size() * 2)));
  for (const SeenSocket& socket : old)
    if (socket.cookie != 0) slots_[slot_of(socket.cookie)] = socket;
}

void SocketTable::clear() {
  // After a burst the table becomes small again, as clearing it costs by its size.
  if (slots_.size() > kFewestSlots && size_ * kSparse < slots_.size())
    slots_ = std::vector<SeenSocket>(slots_.size() / 2);
  else if (size_ > 0)
    std::ranges::fill(slots_, SeenSocket{});
  size_ = 0;
}

}  // namespace serin::agent
