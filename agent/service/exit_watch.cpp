#include "agent/service/exit_watch.h"

#include <fmt/core.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace serin::agent {
namespace {

ExitStatus status_of(int pidfd) {
  siginfo_t info{};
  // WNOWAIT: if it is our child, it stays for whoever waits for it. ECHILD for all others.
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0)
    return {};
  if (info.si_code == CLD_EXITED) return {.exit_code = info.si_status, .signal = {}};
  return {.exit_code = {}, .signal = info.si_status};
}

}  // namespace

Result<ExitWatch> ExitWatch::start(uv_loop_t* loop, int32_t pid, Ended ended) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return fail(fmt::format("pidfd of process {}: {}", pid, errno_text(errno)));
  auto poll = UvPoll::make(loop, fd.get(), [pidfd = fd.get(), ended = std::move(ended)](int, int) {
    ended(status_of(pidfd));
  });
  if (!poll) return std::unexpected(poll.error());
  poll->start(UV_READABLE);
  return ExitWatch(std::move(fd), std::move(*poll));
}

}  // namespace serin::agent
