#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "aggregator/bus/bus.h"
#include "aggregator/bus/link.h"
#include "aggregator/bus/pull_reader.h"
#include "aggregator/bus/sequences.h"

namespace serin::aggregator {

/// The reader's thread: keeps the connection and the streams, reads SERIN_AUDIT once and whole,
/// then SERIN_INPUT from where it is told. It reads only while the loop's queue has room.
class Reader {
 public:
  Reader(Bus::StreamLimits limits, std::shared_ptr<Link> link, std::shared_ptr<MailQueue> mail,
         std::shared_ptr<LastSequences> audit_sequences);

  /// Returns after Link::stop(). The last mail is `ended`.
  void run();
  /// Any thread. The first call counts.
  void read_input(uint64_t after);

 private:
  void pass();
  bool ensure(const Link::State& state);
  /// Before the next attempt, whatever wakes us meanwhile.
  void pause();
  void read_audit(const Link::State& state);
  void read_input(const Link::State& state);
  std::optional<PullReader> open(const Link::State& state, const char* stream, const char* filter,
                                 uint64_t after);
  void audit_message(PullReader::Message& message);
  void input_message(PullReader::Message& message);
  /// Where the stream ends now. Steps back to its beginning when it is not the stream that was read
  /// before.
  std::optional<uint64_t> find_place(const Link::State& state);
  void catch_up(bool reached);
  void unreadable(uint64_t seq, std::string subject, std::string error);

  const Bus::StreamLimits limits_;
  const std::shared_ptr<Link> link_;
  const std::shared_ptr<MailQueue> mail_;
  const std::shared_ptr<LastSequences> audit_sequences_;

  uint64_t ensured_epoch_ = 0;
  Clock::time_point pause_until_{};
  bool audit_done_ = false, caught_up_ = false, began_ = false;
  uint64_t audit_position_ = 0, input_position_ = 0;
  uint64_t target_ = 0;        ///< where the stream ended when reading began
  int64_t input_created_ = 0;  ///< tells a stream from another with the same name

  std::mutex mutex_;
  std::optional<uint64_t> wanted_after_;  // guarded
};

}  // namespace serin::aggregator
