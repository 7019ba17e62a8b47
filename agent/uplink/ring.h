#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "common/ids.h"

namespace serin::agent {

/// Messages that JetStream has not acknowledged, oldest first, within a number of bytes. Not
/// thread-safe.
class Ring {
 public:
  /// What a message costs beside its bytes, about.
  static constexpr size_t kOverheadBytes = 64;

  struct Message {
    uint64_t id = 0;           ///< from 1, in the order of push()
    size_t channel = 0;        ///< the caller's number of its subject
    uint64_t end_boot_us = 0;  ///< its age counts from here
    Bytes payload;
  };

  explicit Ring(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// Drops the oldest until the new one fits, and answers how many. The newest always stays.
  size_t push(size_t channel, uint64_t end_boot_us, Bytes payload);

  /// The oldest message that waits and whose channel is allowed; it counts as handed over from now
  /// on. Valid until the next call that is not const.
  const Message* take(const std::function<bool(size_t channel)>& allowed);

  /// Leaves the ring. False when it is not there any more (dropped, or acknowledged twice).
  bool remove(uint64_t id);
  /// Waits again.
  void release(uint64_t id);
  /// Everything handed over waits again.
  void rewind();

  [[nodiscard]] size_t messages() const { return messages_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] bool waiting() const { return waiting_ > 0; }

 private:
  enum class State : uint8_t { waiting, handed_over, gone };
  struct Slot {
    Message message;
    State state = State::waiting;
  };

  Slot* find(uint64_t id);
  void empty(Slot& slot);
  void trim();

  const size_t limit_bytes_;
  std::deque<Slot>
      slots_;  ///< ids are consecutive; what is gone stays as an empty slot until it is the oldest
  uint64_t next_id_ = 1;
  uint64_t first_waiting_ = 1;  ///< no message before it waits
  size_t messages_ = 0, bytes_ = 0, waiting_ = 0;
};

}  // namespace serin::agent
