#include "demo/supervisor/keeper.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace shop {
namespace {

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

serin::Result<void> write_pid_file(const std::filesystem::path& file, pid_t pid) {
  const auto fresh = std::filesystem::path(file.string() + ".new");
  std::ofstream(fresh) << pid << '\n';
  std::error_code error;
  std::filesystem::rename(fresh, file, error);
  if (error) return serin::fail(fmt::format("cannot write {}: {}", file.string(), error.message()));
  return {};
}

/// In the child, after fork: only async-signal-safe calls. Tells `report` errno if the program
/// cannot be run.
[[noreturn]] void become(const char* program, const char* config, int output, int report,
                         pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // the host's services end with the host
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execl(program, program, "--config", config, static_cast<char*>(nullptr));
  const int code = errno;
  [[maybe_unused]] const auto told = write(report, &code, sizeof code);
  _exit(127);
}

}  // namespace

void Keeper::note(const std::string& fields) {
  std::ofstream(host_.journal(), std::ios::app)
      << fmt::format("{{\"at\":{:.6f},{}}}\n", wall_seconds(), fields);
}

serin::Result<pid_t> Keeper::start() {
  next_start_.reset();
  std::error_code error;
  const auto program = std::filesystem::canonical(host_.program(), error);
  serin::Result<pid_t> started =
      error ? serin::fail(fmt::format("{}: {}", host_.program().string(), error.message()))
            : spawn(program);
  if (!started) {
    note(fmt::format("\"event\":\"not_started\",\"error\":\"{}\"", started.error().message));
    next_start_ = Clock::now() + kRestartDelay;
    return started;
  }
  pid_ = *started;
  release_ = program.parent_path().filename().string();
  note(fmt::format("\"event\":\"started\",\"release\":\"{}\",\"pid\":{}", release_, pid_));
  if (auto written = write_pid_file(host_.pid_file(), pid_); !written)
    return std::unexpected(written.error());
  return started;
}

serin::Result<pid_t> Keeper::spawn(const std::filesystem::path& program) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0)
    return serin::fail(fmt::format("pipe: {}", std::strerror(errno)));
  const int output = open(host_.output().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const std::string config = host_.config().string();
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child == 0) become(program.c_str(), config.c_str(), output, report[1], self);
  close(report[1]);
  if (output >= 0) close(output);
  int code = 0;
  const auto got =
      read(report[0], &code, sizeof code);  // ends at once when exec closes the other side
  close(report[0]);
  if (child < 0) return serin::fail("fork failed");
  if (got > 0) {
    waitpid(child, nullptr, 0);
    return serin::fail(fmt::format("{}: {}", program.string(), std::strerror(code)));
  }
  return child;
}

void Keeper::note_end(int status) {
  const std::string how = WIFSIGNALED(status) ? fmt::format("\"signal\":{}", WTERMSIG(status))
                                              : fmt::format("\"code\":{}", WEXITSTATUS(status));
  note(fmt::format("\"event\":\"ended\",\"release\":\"{}\",\"pid\":{},{}", release_, pid_, how));
  std::error_code ignored;
  std::filesystem::remove(host_.pid_file(), ignored);
  pid_ = 0;
}

void Keeper::stop() {
  if (pid_ == 0) return;
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  kill(pid_, SIGTERM);
  pollfd ended{.fd = fd, .events = POLLIN, .revents = 0};
  const int patience = static_cast<int>(std::chrono::milliseconds(kStopPatience).count());
  if (fd < 0 || poll(&ended, 1, patience) != 1) kill(pid_, SIGKILL);
  if (fd >= 0) close(fd);
  int status = 0;
  waitpid(pid_, &status, 0);
  note_end(status);
}

void Keeper::reap(Clock::time_point now) {
  int status = 0;
  if (pid_ == 0 || waitpid(pid_, &status, WNOHANG) != pid_) return;
  note_end(status);
  next_start_ = now + kRestartDelay;
}

void Keeper::tend(Clock::time_point now) {
  if (next_start_ && *next_start_ <= now)
    (void)start();  // a failure is noted, and tried again after the delay
}

}  // namespace shop
