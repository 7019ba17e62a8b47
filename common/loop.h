#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "common/error.h"

namespace serin {

/// RAII around libuv (target serin_loop). Everything here belongs to the loop's thread, but
/// UvAsync::send(). A handle may be destroyed at any time, in its own callback too: nothing is
/// called afterwards. libuv closes it in a later turn of the loop; UvLoop's destructor makes those
/// turns.
class UvLoop {
 public:
  UvLoop();
  /// Every handle must have been destroyed before; one that was not ends the process with its kind.
  ~UvLoop();
  UvLoop(const UvLoop&) = delete;
  UvLoop& operator=(const UvLoop&) = delete;

  [[nodiscard]] uv_loop_t* get() { return &loop_; }
  /// Until stop(), or until nothing is left to wait for.
  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  /// One turn: waits for an event, then handles what is due.
  void run_once() { uv_run(&loop_, UV_RUN_ONCE); }
  /// One turn without waiting.
  void run_ready() { uv_run(&loop_, UV_RUN_NOWAIT); }
  void stop() { uv_stop(&loop_); }

 private:
  uv_loop_t loop_;
};

namespace loop_detail {
/// A handle and its callback, on the heap because libuv needs them until the close callback.
template <typename Handle, typename... Args>
struct Slot {
  Handle handle{};
  std::function<void(Args...)> callback;
};

template <typename Handle, typename... Args>
class Owner {
 public:
  using Callback = std::function<void(Args...)>;
  Owner(Owner&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    if (this != &other) {
      close();
      slot_ = std::exchange(other.slot_, nullptr);
    }
    return *this;
  }

 protected:
  explicit Owner(Callback callback) : slot_(new Slot<Handle, Args...>{{}, std::move(callback)}) {
    slot_->handle.data = slot_;
  }
  ~Owner() { close(); }

  Handle* handle() const { return &slot_->handle; }
  /// What the C callbacks call.
  static void call(Handle* handle, Args... args) {
    static_cast<Slot<Handle, Args...>*>(handle->data)->callback(args...);
  }
  /// libuv refused to set the handle up: it is not on the loop and needs no closing.
  void discard() { delete std::exchange(slot_, nullptr); }

 private:
  void close() {
    if (slot_ == nullptr) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&slot_->handle),
             [](uv_handle_t* handle) { delete static_cast<Slot<Handle, Args...>*>(handle->data); });
    slot_ = nullptr;
  }

  Slot<Handle, Args...>* slot_;
};
}  // namespace loop_detail

/// Calls back once after a time, or again and again.
class UvTimer : loop_detail::Owner<uv_timer_t> {
 public:
  UvTimer(uv_loop_t* loop, std::function<void()> callback);
  /// First after `first_ms` (0: in the next turn), then every `repeat_ms` (0: never again). Starts
  /// anew when it was running.
  void start(uint64_t first_ms, uint64_t repeat_ms = 0);
  void stop();
  [[nodiscard]] bool active() const;
};

/// Wakes the loop from any thread. Several sends may end in one call: the callback empties its own
/// queue.
class UvAsync : loop_detail::Owner<uv_async_t> {
 public:
  UvAsync(uv_loop_t* loop, std::function<void()> callback);
  /// From any thread; the sending threads must have ended before this is destroyed.
  void send() const;
  /// Lets the loop end although this waits.
  void unref() const;
};

/// Watches a descriptor that somebody else owns and closes after this. The callback gets (status,
/// events): status 0 or a libuv error, events of UV_READABLE | UV_WRITABLE | UV_DISCONNECT |
/// UV_PRIORITIZED.
class UvPoll : loop_detail::Owner<uv_poll_t, int, int> {
 public:
  /// An error for a descriptor that cannot be polled, as a regular file.
  static Result<UvPoll> make(uv_loop_t* loop, int fd, std::function<void(int, int)> callback);
  void start(int events);
  void stop();

 private:
  using Owner::Owner;
};

/// Calls back with the number of a signal.
class UvSignal : loop_detail::Owner<uv_signal_t, int> {
 public:
  UvSignal(uv_loop_t* loop, int number, std::function<void(int)> callback);
  void unref() const;
};

/// "cannot …: libuv's words".
Error uv_error(const char* what, int status);

}  // namespace serin
