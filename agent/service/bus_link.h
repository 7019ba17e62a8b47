#pragma once

#include <systemd/sd-bus.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/loop.h"

namespace serin::agent {

struct SlotUnref {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
/// Dropping it cancels the call or the match: its callback is not called any more.
using BusSlot = std::unique_ptr<sd_bus_slot, SlotUnref>;

/// "…: the bus's words" of an error reply.
std::string bus_error_text(sd_bus_message* reply);

/// One connection to a message bus, driven by the loop and made again for ever when it is lost. No
/// call here waits: every method call is asynchronous and has 2 s.
class BusLink {
 public:
  struct Handlers {
    /// Connected: place matches and calls. Again after each reconnect; slots of the connection
    /// before are to be dropped in `lost`.
    std::function<void(sd_bus*)> connected;
    std::function<void()> lost;
    /// All that had arrived has been handed out.
    std::function<void()> drained;
  };
  /// `address`: as in DBUS_SYSTEM_BUS_ADDRESS; empty: the system's own.
  BusLink(uv_loop_t* loop, std::string address, Handlers handlers);
  ~BusLink();

  /// The first attempt; later ones come by themselves.
  void start() { connect(); }
  /// Null while there is no connection.
  [[nodiscard]] sd_bus* bus() const { return bus_.get(); }
  /// Something was queued from outside a callback of the bus: look at what to wait for.
  void rearm();
  /// Why there is no connection; empty when there is one.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  struct Close {
    void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  };
  void connect();
  Result<void> try_connect();
  void process();
  void disconnect(std::string why);

  uv_loop_t* loop_;
  std::string address_;
  Handlers handlers_;
  std::unique_ptr<sd_bus, Close> bus_;
  std::optional<UvPoll> poll_;  // destroyed before the bus closes its descriptor
  UvTimer deadline_, again_;
  uint64_t wait_ms_;
  bool announced_ = false;
  std::string problem_;
};

}  // namespace serin::agent
