#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace serin::agent {

/// What is remembered of a socket from one look to the next.
struct SeenSocket {
  uint64_t cookie = 0;  ///< 0: none
  uint32_t count = 0;   ///< of what is counted since its start, as it was last
  uint16_t remote_port = 0;
  bool inbound : 1 = false;
  bool connecting : 1 = false;  ///< SYN sent
  bool missed : 1 = false;      ///< the last look did not find it
  bool found : 1 = false;       ///< the look in hand did
};
static_assert(sizeof(SeenSocket) == 16);

/// Sockets by cookie, as one look found them; made anew in each look, in memory that is kept while
/// it is of use. Holds at most kMost: what comes beyond is not taken.
class SocketTable {
 public:
  /// Twice what a look may find, so that those missing from it have room too: 2 MiB.
  static constexpr size_t kMost = 65'536;

  /// Null: not there.
  SeenSocket* find(uint64_t cookie);
  /// The cookie must not be there yet, nor be 0. False: full.
  bool add(const SeenSocket& socket);
  void clear();
  [[nodiscard]] size_t size() const { return size_; }

  template <typename Each>
  void each(Each visit) {
    for (SeenSocket& socket : slots_)
      if (socket.cookie != 0) visit(socket);
  }

 private:
  [[nodiscard]] size_t slot_of(uint64_t cookie) const;
  void grow();

  std::vector<SeenSocket> slots_;  ///< a power of two, at most half of them taken
  size_t size_ = 0;
};

}  // namespace serin::agent
