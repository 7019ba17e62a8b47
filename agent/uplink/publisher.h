#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/uplink/exchange.h"
#include "agent/uplink/last_values.h"
#include "common/bus/backoff.h"
#include "common/bus/connection.h"
#include "common/bus/loop_queue.h"

namespace serin::agent {

/// What the uplink thread hands to the loop.
struct Delivery {
  enum class Kind { command, attention, ended } kind = Kind::command;
  std::string service;
  Bytes command;
  uint32_t interval_ms = 0, lasting_seconds = 0;
};

/// The uplink thread: owns the connection, publishes what waits in the ring and listens for
/// commands. After a failed publish it lets everything under way come to its end, then starts again
/// at the oldest message that has no ack, first with one message at a time; so a server in trouble
/// is not hammered, and order holds. A subject that permissions forbid holds up nothing but itself.
class Publisher {
 public:
  Publisher(Uplink::Options options, std::shared_ptr<Exchange> exchange,
            std::shared_ptr<bus::LoopQueue<Delivery>> deliveries);

  /// Returns after Exchange::begin_close(), once the ring is empty or the time is over. The last
  /// delivery is `ended`.
  void run();

 private:
  struct HandOver {
    uint64_t id = 0;
    size_t channel = 0;
    Clock::time_point deadline{};
  };
  /// A subject that the server forbids: tried with one message, at longer and longer intervals.
  struct Forbidden {
    std::chrono::milliseconds pause{};
    Clock::time_point until{};
    bool trying = false;
  };

  void pass();
  [[nodiscard]] Clock::time_point next_pass() const;
  [[nodiscard]] bool finished() const;

  void open();
  Result<void> subscribe();
  void shut();

  void on(AckMail& mail);
  void on(IncomingMail& mail);
  void on(const LinkMail& mail);
  void on(const ErrorMail& mail);
  void expire();
  void settle_drain();

  void pump();
  [[nodiscard]] bool same_connection() const;
  [[nodiscard]] bool allowed(size_t channel) const;
  void hand_over(const Exchange::Outgoing& outgoing);
  natsStatus publish(const Exchange::Outgoing& outgoing, const Bytes& stamped, uint64_t number);
  void publish_failed(const HandOver& hand_over, const std::string& why);
  void back_off();
  bool forbidden_failed(const HandOver& hand_over);

  void deliver_command(const std::string& service, natsMsg* message);
  void deliver_attention(const std::string& service, natsMsg* message);
  void deliver(Delivery delivery);

  const Uplink::Options options_;
  const std::shared_ptr<Exchange> exchange_;
  const std::shared_ptr<bus::LoopQueue<Delivery>> deliveries_;
  const bus::Closure closure_;

  Clock::time_point now_{};
  std::unique_ptr<bus::Connection> connection_;
  std::vector<bus::SubscriptionPtr> subscriptions_;
  std::string inbox_;  ///< `.<n>` below it: answers to questions; `.ack.<n>`: to hand-overs
  bool connected_ = false, ever_connected_ = false, closed_ = false;
  bus::Backoff reopen_pause_;
  Clock::time_point reopen_at_{};
  uint64_t reconnects_ = 0;  ///< of the connection, as far as we have been told

  std::map<uint64_t, HandOver> in_flight_;  ///< by number, so the first one's time ends first
  uint64_t last_hand_over_ = 0;
  std::unordered_map<size_t, Forbidden> forbidden_;
  bool draining_ = false;
  size_t window_;
  std::chrono::milliseconds pause_;
  Clock::time_point resume_at_{};

  LastValues last_values_;
};

}  // namespace serin::agent
