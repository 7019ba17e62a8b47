#pragma once

#include <uv.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schema/messages.h"

namespace serin::agent {

/// The agent's way to the stream. All public calls and all handlers on the loop's thread; cnats
/// lives on threads of its own. Messages wait in a bounded ring (drop oldest, counted) until
/// JetStream has acknowledged them; after a negative ack, a time-out or an outage everything not
/// acked goes again in sequence order. Reconnects for ever.
class Uplink {
 public:
  struct Options {
    std::vector<std::string> urls;
    std::optional<std::filesystem::path> credentials;
    std::string host;
    std::string boot_id;
    uint64_t agent_start_us = 0;
    std::vector<std::string> services;  ///< for commands and attention
    size_t ring_bytes = size_t{2} << 20;
  };
  struct Handlers {
    /// A command for (host, service): the latest, live or fetched at a (re)connect. May repeat; the
    /// helper's journal makes that harmless.
    std::function<void(const std::string& service, Bytes signed_command)> on_command;
    std::function<void(const std::string& service, uint32_t interval_ms, uint32_t lasting_seconds)>
        on_attention;
  };
  struct Stats {
    bool connected = false;
    uint64_t sent = 0, acked = 0, ring_dropped = 0, reconnects = 0, publish_failures = 0;
    size_t ring_messages = 0, ring_bytes = 0;
    std::string last_error;
  };

  static Result<std::unique_ptr<Uplink>> start(uv_loop_t* loop, Options options, Handlers handlers);
  virtual ~Uplink() = default;

  /// Fills in identity (host, boot id, start, sequence) and, at each hand-over to the bus, the age
  /// since `end_boot_us` (CLOCK_BOOTTIME µs of the interval's end, or of the event). Never blocks.
  virtual void send(Sample sample, uint64_t end_boot_us) = 0;
  virtual void send(Event event, uint64_t at_boot_us) = 0;
  [[nodiscard]] virtual Stats stats() const = 0;
  /// Flushes for at most `milliseconds`, then closes; `done` on the loop. The farewell must have
  /// been sent before.
  virtual void close(unsigned milliseconds, std::function<void()> done) = 0;
};

}  // namespace serin::agent
