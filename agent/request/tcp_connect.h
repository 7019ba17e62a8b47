#pragma once

#include <uv.h>

#include <functional>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/file.h"
#include "common/loop.h"

namespace serin::agent {

/// A socket that is being connected to a numeric address, and does not block. An error when that
/// has failed at once.
Result<UniqueFd> begin_connect(const std::string& host, uint16_t port);

/// Does somebody accept there? Connects once, on the loop, and closes at once. Destroying it gives
/// up.
class TcpConnect {
 public:
  /// Once, at the end. Not called from within start().
  using OnDone = std::function<void(Result<void>)>;
  TcpConnect(uv_loop_t* loop, std::string host, uint16_t port, OnDone on_done);

  /// Gives up after `timeout_ms`.
  void start(uint64_t timeout_ms);

 private:
  Result<void> connect();
  void done(Result<void> outcome);

  uv_loop_t* loop_;
  std::string host_;
  uint16_t port_;
  OnDone on_done_;
  UniqueFd fd_;
  std::optional<UvPoll> poll_;
  UvTimer timer_;
  Result<void> outcome_ = fail("it took too long");  ///< when the timer fires
};

}  // namespace serin::agent
