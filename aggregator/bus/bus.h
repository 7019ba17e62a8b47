#pragma once

#include <uv.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/effects.h"
#include "schema/messages.h"

namespace serin::aggregator {

/// The aggregator's way to NATS. All public calls and all handlers on the loop's thread; cnats
/// lives on threads of its own and hands over through bounded queues. Creates and raises the
/// streams of CONTRACTS §2 (never lowers), reconnects for ever, resumes reading at its own
/// position.
class Bus {
 public:
  struct StreamLimits {  ///< bytes; `[nats.streams]` in the configuration
    int64_t input_bytes = 2LL << 30, commands_bytes = 64LL << 20, attention_bytes = 16LL << 20,
            audit_bytes = 1LL << 30;
    int64_t input_age_seconds = 7200;
  };
  struct Options {
    std::vector<std::string> urls;
    std::optional<std::filesystem::path> credentials;
    StreamLimits limits;
  };
  /// A message of SERIN_INPUT that could not be read: counted by the shell, shown, dropped.
  struct Unreadable {
    uint64_t seq = 0;
    std::string subject, error;
  };
  struct Handlers {
    std::function<void(const Decision&)>
        on_audit;                        ///< every stored decision, oldest first, at each start
    std::function<void()> on_audit_end;  ///< now call read_input()
    std::function<void(core::Input)> on_input;
    std::function<void(const Unreadable&)> on_unreadable;
    std::function<void()>
        on_caught_up;  ///< input folded up to where the stream ended when reading began
    /// At each change, and when something is wrong that people should know (detail says what).
    std::function<void(bool connected, const std::string& detail)> on_connection;
    /// SERIN_INPUT was emptied or restored from an older copy: its sequence is behind what was
    /// read, or it is another stream. Reading goes on with what is there, so `seq` of the inputs
    /// steps back.
    std::function<void(const std::string& detail)> on_store_lost = {};
  };
  using Done = std::function<void(Result<void>)>;

  static Result<std::unique_ptr<Bus>> start(uv_loop_t* loop, Options options, Handlers handlers);
  virtual ~Bus() = default;

  /// Starts after SERIN_INPUT sequence `after` (0: from the beginning of what is kept).
  virtual void read_input(uint64_t after) = 0;
  /// In the order of the calls. Every `done` is called once, on the loop; ok = stored (a duplicate
  /// is ok). An error means that it was not stored and never will be: too large, forbidden, or
  /// another aggregator has written to that subject since it was read (this one has lost its
  /// lease). Decisions, commands and attention wait for the bus as long as it takes; a control
  /// fails after 5 s (a clock tick after 2 s). Nats-Msg-Id = effect id.
  virtual void publish(const Decision& decision, Done done) = 0;
  virtual void publish(const Control& control, Done done) = 0;
  /// `revision` of the command stands in the message id beside its command id.
  virtual void publish(const std::string& host, const std::string& service,
                       const std::string& command_id, uint32_t revision,
                       const SignedCommand& command, Done done) = 0;
  virtual void publish(const core::AttentionOrder& attention, Done done) = 0;
  [[nodiscard]] virtual bool connected() const = 0;
  /// Tries to publish what waits for at most `milliseconds`, then closes; what is left fails.
  /// `done` is the last call; nothing may be published after close().
  virtual void close(unsigned milliseconds, std::function<void()> done) = 0;
};

}  // namespace serin::aggregator
