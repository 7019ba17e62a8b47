#pragma once

#include <uv.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "aggregator/bus/bus.h"
#include "aggregator/core/effects.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/signing.h"

namespace serin::aggregator {

/// Carries out what the fold decides, in its order: a Decision is in SERIN_AUDIT before the
/// commands that follow from it leave, and those before people are told. Per deploy one thing after
/// the other, deploys beside each other; while the bus is away everything waits and is tried again.
///
/// At a restart nothing leaves until the stream has been read to its end: what the audit holds has
/// been done, what it does not hold is done then, and commands without a report are given again.
///
/// Loop thread only.
class EffectRunner {
 public:
  /// More than that can only come from a broken fold: while the bus is away nothing comes in that
  /// could lead to it.
  static constexpr size_t kMostWaiting = 20'000;
  /// A notification of a replay is old news after this, if the outbox that knew what was sent is
  /// lost.
  static constexpr int64_t kStaleUs = 600LL * 1'000'000;

  struct Options {
    std::function<int64_t()> wall_us;
    bool outbox_lost = false;  ///< the store began empty: what was sent before is unknown
    uint64_t first_retry_ms = 250, longest_retry_ms = 5'000;
    /// Another aggregator has written where this one wanted to: what was adopted is not the whole
    /// audit any more, and only a new start makes it whole. May be called from inside any call
    /// here.
    std::function<void(const std::string& why)> on_overtaken = {};
  };
  struct Counters {
    uint64_t published = 0, failures = 0, stale = 0;
    uint64_t superseded = 0;  ///< commands that a newer one for the same host and service overtook
    size_t waiting = 0;
    std::string last_error;  ///< empty after a success
  };
  using Notify = std::function<void(const core::Notification&)>;

  EffectRunner(uv_loop_t* loop, Bus& bus, const SigningKey& key, Notify notify, Options options);

  /// A decision of SERIN_AUDIT: it was done.
  void adopt(const Decision& recorded);
  /// What one message led to, while the stream is being caught up with.
  Result<void> replayed(std::vector<core::Effect> effects);
  /// From now on effects leave: those of the replay that the audit does not hold, then `commands`
  /// that still have no report, then `attention`.
  Result<void> caught_up(std::vector<core::CommandOrder> commands,
                         std::vector<core::AttentionOrder> attention);
  /// What one message led to, live.
  Result<void> take(std::vector<core::Effect> effects);
  /// The bus is back: no more waiting for the next attempt.
  void kick();

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Lane {
    std::deque<core::Effect> waiting;
    bool in_flight = false, pumping = false;
    unsigned failures = 0;
    uint64_t due_ms = 0;
  };

  Result<void> add(core::Effect effect);
  void pump(const std::string& key);
  [[nodiscard]] bool is_overtaken(const core::Effect& effect) const;
  void publish(const std::string& key, const core::Effect& effect);
  void on_done(const std::string& key, const Result<void>& done);
  void retry_due();
  void retry_at(uint64_t due_ms);
  [[nodiscard]] SignedCommand sign(const Command& command) const;

  uv_loop_t* loop_;
  Bus& bus_;
  const SigningKey& key_;
  Notify notify_;
  Options options_;
  std::unordered_set<std::string> audited_;  ///< effect ids
  std::vector<core::Effect> replay_;         ///< kept until the end of the stream
  std::map<std::string, Lane> lanes_;
  /// Of commands that wait, the newest for a host and service: the stream keeps one, and an older one
  /// must not take its place.
  std::map<std::string, std::string> newest_command_;
  UvTimer retry_timer_;
  uint64_t retry_due_ms_ = 0;  ///< while retry_timer_ is active
  Counters counters_;
  log::RateLimited log_limit_;
  std::shared_ptr<bool> alive_ =
      std::make_shared<bool>(true);  ///< answers of the bus may come after our end
};

}  // namespace serin::aggregator
