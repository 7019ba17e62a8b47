#include "common/loop.h"

#include <fmt/core.h>

#include <cstdio>
#include <utility>

namespace serin {
namespace {

template <typename Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

/// Closing takes one turn; some kinds of handles take a second.
constexpr int kClosingTurns = 8;

}  // namespace

Error uv_error(const char* what, int status) {
  return Error{fmt::format("cannot {}: {}", what, uv_strerror(status))};
}

UvLoop::UvLoop() {
  SERIN_VERIFY(uv_loop_init(&loop_) == 0);
}

UvLoop::~UvLoop() {
  int status = uv_loop_close(&loop_);
  for (int turn = 0; turn < kClosingTurns && status == UV_EBUSY; ++turn) {
    run_ready();
    status = uv_loop_close(&loop_);
  }
  if (status == 0) return;
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        std::fprintf(stderr, "still open on the loop: a %s\n",
                     uv_handle_type_name(uv_handle_get_type(handle)));
      },
      nullptr);
  SERIN_VERIFY(status == 0);
}

UvTimer::UvTimer(uv_loop_t* loop, std::function<void()> callback) : Owner(std::move(callback)) {
  SERIN_VERIFY(uv_timer_init(loop, handle()) == 0);
}

void UvTimer::start(uint64_t first_ms, uint64_t repeat_ms) {
  // libuv's idea of now is that of the turn's beginning: a long callback would shorten the wait.
  uv_update_time(handle()->loop);
  SERIN_VERIFY(
      uv_timer_start(handle(), [](uv_timer_t* timer) { call(timer); }, first_ms, repeat_ms) == 0);
}

void UvTimer::stop() {
  uv_timer_stop(handle());
}

bool UvTimer::active() const {
  return uv_is_active(as_handle(handle())) != 0;
}

UvAsync::UvAsync(uv_loop_t* loop, std::function<void()> callback) : Owner(std::move(callback)) {
  SERIN_VERIFY(uv_async_init(loop, handle(), [](uv_async_t* async) { call(async); }) == 0);
}

void UvAsync::send() const {
  uv_async_send(handle());
}

void UvAsync::unref() const {
  uv_unref(as_handle(handle()));
}

Result<UvPoll> UvPoll::make(uv_loop_t* loop, int fd, std::function<void(int, int)> callback) {
  UvPoll poll(std::move(callback));
  if (const int status = uv_poll_init(loop, poll.handle(), fd); status != 0) {
    poll.discard();
    return std::unexpected(uv_error("watch a descriptor", status));
  }
  return poll;
}

void UvPoll::start(int events) {
  SERIN_VERIFY(uv_poll_start(handle(), events, [](uv_poll_t* poll, int status, int seen) {
                 call(poll, status, seen);
               }) == 0);
}

void UvPoll::stop() {
  uv_poll_stop(handle());
}

UvSignal::UvSignal(uv_loop_t* loop, int number, std::function<void(int)> callback)
    : Owner(std::move(callback)) {
  SERIN_VERIFY(uv_signal_init(loop, handle()) == 0);
  SERIN_VERIFY(uv_signal_start(
                   handle(), [](uv_signal_t* signal, int seen) { call(signal, seen); }, number) ==
               0);
}

void UvSignal::unref() const {
  uv_unref(as_handle(handle()));
}

}  // namespace serin
