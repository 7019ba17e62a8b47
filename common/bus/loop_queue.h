#pragma once

#include <uv.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "common/error.h"

namespace serin::bus {

/// Hands values from any thread to the loop's thread. Bounded; the handler runs on the loop, at
/// most kPerTurn values a turn so that timers and sockets are not starved. After close() the
/// handler is never called again.
template <typename T>
class LoopQueue {
 public:
  static constexpr size_t kPerTurn = 256;

  /// On the loop's thread.
  static Result<std::shared_ptr<LoopQueue>> create(uv_loop_t* loop, size_t limit,
                                                   std::function<void(T)> handler) {
    std::shared_ptr<LoopQueue> made(new LoopQueue(limit, std::move(handler)));
    made->async_ = std::make_unique<uv_async_t>();
    if (const int error = uv_async_init(loop, made->async_.get(), on_async); error != 0) {
      return fail(std::string("cannot create a loop handle: ") + uv_strerror(error));
    }
    made->async_->data = made.get();
    made->self_ = made;  // the handle's reference, until it is closed
    return made;
  }

  /// False when the queue is full or closed. Any thread.
  bool push(T value) { return enter(std::move(value), limit_); }
  /// For what must arrive and is bounded elsewhere. False only when closed. Any thread.
  bool push_always(T value) { return enter(std::move(value), static_cast<size_t>(-1)); }

  /// Free places. Any thread.
  [[nodiscard]] size_t room() const {
    const std::lock_guard lock(mutex_);
    return values_.size() >= limit_ ? 0 : limit_ - values_.size();
  }

  /// Called on the loop's thread after a turn has made room.
  void on_room(std::function<void()> handler) { room_handler_ = std::move(handler); }

  /// On the loop's thread; `closed` runs there once the handle is gone. Callable from the handler.
  void close(std::function<void()> closed = {}) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      closed_ = true;
      values_.clear();
    }
    closed_handler_ = std::move(closed);
    uv_close(reinterpret_cast<uv_handle_t*>(async_.get()), on_closed);
  }

 private:
  LoopQueue(size_t limit, std::function<void(T)> handler)
      : limit_(limit), handler_(std::move(handler)) {}

  bool enter(T value, size_t limit) {
    const std::lock_guard lock(mutex_);
    if (closed_ || values_.size() >= limit) return false;
    values_.push_back(std::move(value));
    uv_async_send(async_.get());
    return true;
  }

  bool pop(T& value) {
    const std::lock_guard lock(mutex_);
    if (values_.empty()) return false;
    value = std::move(values_.front());
    values_.pop_front();
    return true;
  }

  void turn() {
    const auto keep = self_;
    T value;
    size_t count = 0;
    for (; count < kPerTurn && pop(value); ++count) handler_(std::move(value));
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      if (!values_.empty()) uv_async_send(async_.get());
    }
    if (room_handler_ && count > 0) room_handler_();
  }

  static void on_async(uv_async_t* async) { static_cast<LoopQueue*>(async->data)->turn(); }
  static void on_closed(uv_handle_t* handle) {
    const auto keep = std::move(static_cast<LoopQueue*>(handle->data)->self_);
    const auto closed = std::move(keep->closed_handler_);
    keep->room_handler_ = nullptr;  // it may hold what holds us
    if (closed) closed();
  }

  const size_t limit_;
  const std::function<void(T)> handler_;
  std::function<void()> room_handler_, closed_handler_;  // loop only
  std::unique_ptr<uv_async_t> async_;
  std::shared_ptr<LoopQueue> self_;  // loop only
  mutable std::mutex mutex_;
  std::deque<T> values_;  // guarded
  bool closed_ = false;   // guarded
};

}  // namespace serin::bus
