#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "aggregator/bus/mail.h"
#include "common/bus/backoff.h"
#include "common/bus/connection.h"

namespace serin::aggregator {

using Clock = std::chrono::steady_clock;

/// One connection with its JetStream context. Both may be used from several threads.
struct Session {
  std::unique_ptr<bus::Connection> connection;
  bus::JetStreamPtr jet_stream;

  [[nodiscard]] jsCtx* js() const { return jet_stream.get(); }
};

/// The connection that the reader's and the sender's thread share, and what they wait for. The
/// reader's thread opens it and opens it anew when cnats has given it up. Tells the loop of each
/// change.
class Link : public bus::ConnectionListener {
 public:
  Link(bus::ConnectionOptions options, std::shared_ptr<MailQueue> mail);

  // ---- the reader's thread
  void maintain(const std::shared_ptr<Link>& self);
  /// Lets go of the connection, for good.
  void shut();
  /// Waits for wake(), a change or stop(), at most until `deadline`.
  void wait(Clock::time_point deadline);

  // ---- any thread
  struct State {
    std::shared_ptr<Session> session;  ///< null while not connected
    uint64_t epoch = 0;                ///< another number after each (re)connect
  };
  [[nodiscard]] State state() const;
  /// Still the same connection, without a break since `epoch`.
  [[nodiscard]] bool same(uint64_t epoch) const;
  void wake();
  void stop();
  [[nodiscard]] bool stopped() const;
  /// Tells people; the same words again are told once.
  void report(const std::string& detail);
  /// What the server said since forget_errors() about this subject being forbidden; empty when
  /// nothing.
  [[nodiscard]] std::string forbidden(const std::string& subject) const;
  void forget_errors();
  /// Called after each change of the link, on the thread that noticed it. Set before the threads
  /// start.
  void on_change(std::function<void()> hook) { hook_ = std::move(hook); }

  // ---- threads of cnats
  void link_connected() override;
  void link_disconnected() override;
  void link_closed() override;
  void link_error(std::string text) override;

 private:
  void open(const std::shared_ptr<Link>& self);
  void changed(bool connected, std::string detail);

  const bus::ConnectionOptions options_;
  const std::shared_ptr<MailQueue> mail_;
  std::function<void()> hook_;
  bus::Backoff reopen_pause_;      // reader's thread
  Clock::time_point reopen_at_{};  // reader's thread

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::shared_ptr<Session> session_;
  bool connected_ = false, closed_ = false, stopped_ = false, woken_ = false;
  uint64_t epoch_ = 0;
  std::string reported_, permissions_;
};

}  // namespace serin::aggregator
