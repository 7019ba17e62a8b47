#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/uplink/ring.h"
#include "agent/uplink/uplink.h"
#include "common/bus/connection.h"

namespace serin::agent {

using Clock = std::chrono::steady_clock;

/// JetStream's answer to one hand-over, on the subject that named it.
struct AckMail {
  bus::MessagePtr message;
};
/// A message for this agent: live, or the answer to a question for the last one.
struct IncomingMail {
  enum class From { commands, attention, last_value } from = From::commands;
  bus::MessagePtr message;
};
struct LinkMail {
  enum class Change { connected, disconnected, closed } change = Change::connected;
};
struct ErrorMail {
  std::string text;
};
using Mail = std::variant<AckMail, IncomingMail, LinkMail, ErrorMail>;

/// All that the loop's thread, the uplink thread and cnats' threads share, under one lock that is
/// never held while cnats is called. The loop pushes messages and reads figures; cnats leaves mail;
/// the uplink thread takes both.
class Exchange : public bus::ConnectionListener {
 public:
  explicit Exchange(size_t ring_bytes) : ring_(ring_bytes) {}

  // ---- the loop's thread
  /// `subject` is told once per channel, numbered from 0.
  void add_channel(std::string subject);
  void push(size_t channel, uint64_t end_boot_us, Bytes payload);
  /// Counts a message that cannot be sent at all.
  void refuse(std::string why);
  void begin_close(Clock::time_point deadline);
  [[nodiscard]] Uplink::Stats stats() const;

  // ---- threads of cnats
  void link_connected() override { leave(LinkMail{LinkMail::Change::connected}); }
  void link_disconnected() override { leave(LinkMail{LinkMail::Change::disconnected}); }
  void link_closed() override { leave(LinkMail{LinkMail::Change::closed}); }
  void link_error(std::string text) override { leave(ErrorMail{std::move(text)}); }
  void leave(Mail mail);
  /// False when too much waits already: the message is lost, and the last values are asked for
  /// again.
  bool leave_incoming(IncomingMail mail);

  // ---- the uplink thread
  /// Waits for anything new, at most until `deadline`.
  std::deque<Mail> wait(Clock::time_point deadline);
  struct Outgoing {
    uint64_t id = 0;
    size_t channel = 0;
    uint64_t end_boot_us = 0;
    Bytes payload;
    std::string subject;
  };
  std::optional<Outgoing> take(const std::function<bool(size_t channel)>& allowed);
  void acknowledged(uint64_t id);
  void release(uint64_t id);
  void rewind();
  void drop(uint64_t id, std::string why);
  void count_failure(std::string why);  ///< empty: the last error stays, as it says more
  void note(std::string error);
  void set_connected(bool connected, bool again);
  [[nodiscard]] bool waiting() const;
  [[nodiscard]] bool empty() const;
  [[nodiscard]] std::optional<Clock::time_point> closing() const;
  /// Once, after incoming mail was lost.
  [[nodiscard]] bool take_overrun();
  /// The channel whose subject stands in quotes in an error of the server; nullopt when none does.
  [[nodiscard]] std::optional<size_t> channel_named_in(const std::string& error) const;

 private:
  /// Commands and attention waiting for the uplink thread: far above one per service, far below
  /// what hurts.
  static constexpr size_t kMaxIncoming = 1024;

  void wake();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false, overrun_ = false;
  std::deque<Mail> mail_;
  size_t incoming_ = 0;
  Ring ring_;
  std::vector<std::string> subjects_;
  Uplink::Stats stats_;
  std::optional<Clock::time_point> closing_;
};

}  // namespace serin::agent
