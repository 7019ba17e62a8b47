#pragma once

#include <uv.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/effects.h"
#include "aggregator/notify/http_client.h"
#include "aggregator/notify/schedule.h"
#include "aggregator/store/store.h"
#include "common/loop.h"

namespace serin::aggregator {

/// Wall clock in microseconds, passed in so that tests move it.
using WallClock = std::function<int64_t()>;

/// A place that people read.
struct Sink {
  enum class Kind { webhook, slack };
  std::string name;  ///< unique; stands in the outbox
  Kind kind = Kind::webhook;
  std::string url;                    ///< a secret as a rule: never logged or shown
  std::optional<std::string> secret;  ///< signs what is sent
  std::vector<std::string> on;        ///< kinds of notifications; empty: all
};

/// Sends notifications at least once each, per sink in their order, from a durable outbox. A disk
/// that is full does not hold a message back: it is sent from memory, and stored as soon as that is
/// possible again.
///
/// Loop thread only.
class Notifier {
 public:
  /// Waiting per sink. More than that means a sink that has been down through hundreds of deploys:
  /// the oldest go.
  static constexpr size_t kMostWaiting = 10'000;
  /// Changes that the disk has not taken yet; the oldest go, at worst a message is sent twice after
  /// a restart.
  static constexpr size_t kMostDebts = 10'000;

  struct Options {
    std::vector<Sink> sinks;
    std::string public_url;  ///< of the API, for links; may be empty
    WallClock wall_us;
    RetrySchedule schedule;
    unsigned timeout_ms = 10'000;
    uint64_t settle_every_ms = 5'000;
  };
  struct SinkCounters {
    std::string sink;
    uint64_t delivered = 0, failed_attempts = 0, given_up = 0, dropped = 0;
    size_t waiting = 0;
    std::string last_error;  ///< empty after a success
  };

  /// Begins to send what the outbox holds.
  static Result<std::unique_ptr<Notifier>> start(uv_loop_t* loop, Store& store, Options options);

  /// To every sink that wants this kind and does not know this effect yet.
  void enqueue(const core::Notification& notification);

  [[nodiscard]] std::vector<SinkCounters> counters() const;
  /// Changes still to be stored.
  [[nodiscard]] size_t debts() const { return debts_.size(); }

 private:
  struct Lane {
    Sink sink;
    std::deque<OutboxRow> waiting;
    bool in_flight = false;
    SinkCounters counters;
    std::unique_ptr<UvTimer> timer;
  };
  struct Debt {
    OutboxRow row;
    bool add = false;
    std::optional<Store::End> finish;
    int64_t finished_us = 0;
  };

  Notifier(uv_loop_t* loop, Store& store, Options options, std::unique_ptr<HttpClient> client);
  void load();
  void append(Lane& lane, OutboxRow row);
  void pump(Lane& lane);
  void send(Lane& lane);
  void on_outcome(Lane& lane, const HttpClient::Outcome& outcome);
  void finish(Lane& lane, Store::End end);
  void end_row(OutboxRow row, Store::End end);
  void owe(Debt debt);
  void settle();
  [[nodiscard]] std::string link_to(const core::Notification& notification) const;

  Store& store_;
  Options options_;
  std::unique_ptr<HttpClient> client_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::deque<Debt> debts_;
  UvTimer settle_timer_;
};

/// `t=<unix>,v1=<hex HMAC-SHA256 of "t.body">` (CONTRACTS §9).
std::string signature_header(std::string_view secret, int64_t unix_seconds, std::string_view body);

}  // namespace serin::aggregator
