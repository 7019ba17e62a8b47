#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "common/error.h"
#include "common/file.h"
#include "common/loop.h"

namespace serin::agent {

/// How a process ended; both absent where the kernel does not tell, as for any process that is not
/// our child.
struct ExitStatus {
  std::optional<int32_t> exit_code, signal;
};

/// Tells at once when a process ends, through its pidfd: no polling, and no other process can be
/// meant.
class ExitWatch {
 public:
  using Ended = std::function<void(ExitStatus)>;
  /// Fails when the process is gone, or where the kernel has no pidfd. Called once, from the loop.
  static Result<ExitWatch> start(uv_loop_t* loop, int32_t pid, Ended ended);

 private:
  ExitWatch(UniqueFd fd, UvPoll poll) : fd_(std::move(fd)), poll_(std::move(poll)) {}
  UniqueFd fd_;
  UvPoll poll_;  // destroyed before the descriptor it watches
};

}  // namespace serin::agent
