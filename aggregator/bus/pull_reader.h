#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "aggregator/bus/link.h"

namespace serin::aggregator {

/// What the server tells about a delivered message in its reply subject.
struct Delivered {
  uint64_t stream_sequence = 0;
  uint64_t consumer_sequence = 0;
  int64_t stored_us = 0;
  uint64_t pending = 0;  ///< messages behind it
};
Result<Delivered> parse_delivered(std::string_view reply);

/// Reads a stream from a place on, in order and without a gap, over a pull consumer without acks
/// that is thrown away at will: the caller's position is the only one. One request asks for many
/// messages, which then come one by one as they are stored; the server's heartbeat tells that the
/// consumer still lives. One thread.
class PullReader {
 public:
  static constexpr size_t kMaxBatch = 500;

  static Result<PullReader> open(std::shared_ptr<Session> session, const std::string& stream,
                                 const std::string& filter, uint64_t after);

  [[nodiscard]] uint64_t pending_at_start() const { return pending_at_start_; }

  struct Message {
    bus::MessagePtr raw;
    Delivered about;
  };
  enum class Got {
    message,
    nothing,  ///< within the patience
    lost,     ///< consumer or connection is gone, or a message is missing: open anew
  };
  /// Asks for at most `room` messages when none are under way (0: asks for none).
  Got next(size_t room, std::chrono::milliseconds patience, Message& message);

 private:
  PullReader() = default;
  Result<void> subscribe();
  Result<void> make_consumer(const std::string& filter, uint64_t after);
  bool request(size_t count);
  Got on_status(const std::string& status);
  Got on_message(Message& message);

  std::shared_ptr<Session> session_;
  std::string stream_, inbox_, next_subject_;
  bus::SubscriptionPtr subscription_;
  uint64_t pending_at_start_ = 0, consumer_sequence_ = 0;
  size_t under_way_ = 0;
  Clock::time_point heard_{};
};

}  // namespace serin::aggregator
