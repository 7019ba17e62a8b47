#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "aggregator/bus/link.h"
#include "aggregator/bus/sequences.h"

namespace serin::aggregator {

/// One message on its way into a stream.
struct Outgoing {
  enum class Expect {
    nothing,
    audit,    ///< the last sequence of its subject as the audit was read
    command,  ///< the last sequence of its subject as it was when we first wrote to it
  };
  std::string subject, message_id;
  Bytes payload;
  Expect expect = Expect::nothing;
  std::optional<Clock::time_point> deadline;  ///< none: as long as it takes
  Bus::Done done;
  // ---- the sender's own
  Clock::time_point due{};
  std::chrono::milliseconds pause{};  ///< not 0: it was tried, and goes before all of its subject
  std::string complaint;              ///< told already
};

/// The sender's thread: publishes one message after another, each until it is stored, refused for
/// good, or its time is over. What cannot be stored now waits by itself: it keeps back what goes to
/// the same subject (an ack of it may have been lost, so a later one must not be written first),
/// and nothing else. A stream that is missing is made anew.
class Sender {
 public:
  /// Decisions and commands for a roll-out to thousands of hosts at once; more means that nobody
  /// reads the answers.
  static constexpr size_t kMaxWaiting = 8192;

  Sender(Bus::StreamLimits limits, std::shared_ptr<Link> link, std::shared_ptr<MailQueue> mail,
         std::shared_ptr<LastSequences> audit_sequences);

  // ---- the loop's thread
  void send(Outgoing outgoing);
  void begin_close(Clock::time_point deadline);
  // ---- any thread
  void wake();

  /// Returns after begin_close(); then it stops the link.
  void run();

 private:
  enum class Outcome { stored, refused, again };
  struct Attempt {
    Outcome outcome = Outcome::again;
    std::string text;
    bool stream_missing = false;
  };

  /// The next message to try now, waiting for it; nullopt when it is time to end.
  std::optional<Outgoing> next();
  std::optional<Outgoing> take_due(Clock::time_point now);
  void expire(Clock::time_point now);
  [[nodiscard]] Clock::time_point next_deadline(Clock::time_point now) const;
  void settle(Outgoing outgoing, const Attempt& attempt);
  void ensure_again(Session& session);
  void answer(Outgoing& outgoing, Result<void> result);

  Attempt attempt(Session& session, const Outgoing& outgoing);
  Attempt publish(Session& session, const Outgoing& outgoing, std::optional<uint64_t> expected);
  Attempt failed(const Outgoing& outgoing, natsStatus status, int code);
  Attempt conflict(Session& session, const Outgoing& outgoing, std::optional<uint64_t> expected);
  struct Last {
    uint64_t sequence = 0;  ///< 0: none
    std::string message_id;
  };
  static std::expected<Last, Attempt> last_of(Session& session, const Outgoing& outgoing);
  std::expected<std::optional<uint64_t>, Attempt> expected(Session& session,
                                                           const Outgoing& outgoing);
  LastSequences& known(const Outgoing& outgoing);

  const Bus::StreamLimits limits_;
  const std::shared_ptr<Link> link_;
  const std::shared_ptr<MailQueue> mail_;
  const std::shared_ptr<LastSequences> audit_sequences_;
  LastSequences command_sequences_;  // sender's thread
  Clock::time_point ensure_at_{};    // sender's thread

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Outgoing> waiting_;
  bool woken_ = false;
  std::optional<Clock::time_point> closing_;
};

}  // namespace serin::aggregator
