#include "agent/rollback/program.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "common/file.h"

namespace serin::helper {
namespace {

constexpr std::string_view kPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int64_t kPollUs = 5'000;           // how late an end may be noticed
constexpr int64_t kTermGraceUs = 2'000'000;  // between SIGTERM and SIGKILL
constexpr size_t kMostOutputBytes = size_t{64} * 1024;

/// What of a program's output is kept for us; the rest goes where ours goes.
enum class Keep { nothing, answer, everything };

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail("pipe: " + errno_text(errno));
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

struct Arguments {
  const char* program;
  std::vector<char*> argv, environment;
  std::string path{kPath};
  explicit Arguments(const ProgramRun& run)
      : program(run.program.empty() ? run.argv.front().c_str() : run.program.c_str()) {
    for (const auto& text : run.argv) argv.push_back(const_cast<char*>(text.c_str()));
    environment.push_back(path.data());
    for (const auto& text : run.environment) {
      environment.push_back(const_cast<char*>(text.c_str()));
    }
    argv.push_back(nullptr);
    environment.push_back(nullptr);
  }
};

/// Closes all but the standard ones and those of `kept` (sorted): while it waits to begin, a child
/// must hold nothing of ours open, above all not the lock on the journal.
void close_all_but(std::array<int, 3> kept) {
  unsigned from = 3;
  for (const int fd : kept) {
    if (fd < 3) continue;
    const auto keep = static_cast<unsigned>(fd);
    if (keep > from) ::syscall(SYS_close_range, from, keep - 1, 0);
    from = keep + 1;
  }
  ::syscall(SYS_close_range, from, ~0U, 0);
}

/// In the child: waits for the word to begin, then becomes the program. Only async-signal-safe
/// calls.
[[noreturn]] void become(const Arguments& arguments, int go, int fault, int output, Keep keep) {
  ::setpgid(0, 0);
  std::array<int, 3> kept{go, fault, output};
  std::sort(kept.begin(), kept.end());
  close_all_but(kept);
  char word = 0;
  if (::read(go, &word, 1) != 1) ::_exit(125);  // the parent died or decided against it
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGXFSZ, SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
    ::signal(number, SIG_DFL);
  }
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(output >= 0 ? output : STDERR_FILENO, STDOUT_FILENO);
  if (keep == Keep::everything) ::dup2(output, STDERR_FILENO);
  if (::chdir("/") == 0)
    ::execve(arguments.program, arguments.argv.data(), arguments.environment.data());
  const int error = errno;
  static_cast<void>(!::write(fault, &error, sizeof(error)));
  ::_exit(127);
}

void kill_group(pid_t pid, int number) {
  if (::kill(-pid, number) != 0) ::kill(pid, number);
}

/// Reaps the child; at the deadline ends its group first.
Result<int> wait_for(pid_t pid, int64_t deadline_boot_us, const Clock& clock) {
  int status = 0;
  int64_t kill_at = 0;
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) return fail("waitpid: " + errno_text(errno));
    if (ended == pid) break;
    const int64_t now = clock.boot_us();
    if (kill_at == 0 && now >= deadline_boot_us) {
      kill_group(pid, SIGTERM);
      kill_at = now + kTermGraceUs;
    } else if (kill_at != 0 && now >= kill_at) {
      kill_group(pid, SIGKILL);
    }
    clock.pause_us(kPollUs);
  }
  if (kill_at != 0) {
    kill_group(pid, SIGKILL);  // what it left behind in its group hangs too
    return fail("did not end in time and was killed");
  }
  return status;
}

/// The end of what was written there, and no more than kMostOutputBytes.
std::string text_in(int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(size - static_cast<off_t>(kMostOutputBytes), 0);
  std::string text(static_cast<size_t>(std::max<off_t>(size - from, 0)), '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), from);
  text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

/// A child that waits for the word to begin.
struct Started {
  pid_t pid = -1;
  UniqueFd go, fault, output;
};

/// Output goes to memory and not through a pipe: a program that outlives us must not die of SIGPIPE,
/// and one that says much must not wait for us.
Result<Started> start(const ProgramRun& run, Keep keep) {
  auto go = make_pipe();
  auto fault = make_pipe();
  UniqueFd output;
  if (keep != Keep::nothing) output.reset(::memfd_create("said", MFD_CLOEXEC));
  if (!go || !fault || (keep != Keep::nothing && !output))
    return fail("no more file descriptors for a program");
  const Arguments arguments(run);
  const pid_t pid = ::fork();
  if (pid < 0) return fail(fmt::format("{}: fork: {}", run.argv.front(), errno_text(errno)));
  if (pid == 0) {
    go->write.reset();  // else we would wait for ourselves when the parent dies
    become(arguments, go->read.get(), fault->write.get(), output.get(), keep);
  }
  ::setpgid(pid, pid);
  return Started{pid, std::move(go->write), std::move(fault->read), std::move(output)};
}

/// Lets the child begin, or has it end without having begun.
Result<void> let_begin(const ProgramRun& run, Started& child) {
  if (run.before_start) {
    const auto process = read_process("/proc", child.pid);
    auto agreed = run.before_start(process.value_or(Process{.pid = child.pid}));
    if (!agreed) {
      child.go.reset();
      ::waitpid(child.pid, nullptr, 0);
      return agreed;
    }
  }
  static_cast<void>(!::write(child.go.get(), "g", 1));
  return {};
}

Result<void> judge(const std::string& name, int status, int fault) {
  int error = 0;
  if (::read(fault, &error, sizeof(error)) == ssize_t{sizeof(error)}) {
    return fail(fmt::format("{} cannot be executed: {}", name, errno_text(error)));
  }
  if (WIFSIGNALED(status)) {
    return fail(fmt::format("{} was ended by signal {}", name, WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return fail(fmt::format("{} ended with exit status {}", name, WEXITSTATUS(status)));
  }
  return {};
}

Heard execute(const ProgramRun& run, const Clock& clock, Keep keep) {
  auto child = start(run, keep);
  if (!child) return {std::unexpected(child.error()), {}};
  if (auto begun = let_begin(run, *child); !begun) return {begun, {}};
  const auto status = wait_for(child->pid, run.deadline_boot_us, clock);
  const std::string& name = run.argv.front();
  Heard heard;
  if (child->output) heard.output = text_in(child->output.get());
  heard.ended = status ? judge(name, *status, child->fault.get())
                       : fail(fmt::format("{} {}", name, status.error().message));
  return heard;
}

}  // namespace

Result<void> run_program(const ProgramRun& run, const Clock& clock) {
  return execute(run, clock, Keep::nothing).ended;
}

Result<std::string> ask_program(const ProgramRun& run, const Clock& clock) {
  auto heard = execute(run, clock, Keep::answer);
  if (!heard.ended) return std::unexpected(heard.ended.error());
  return std::move(heard.output);
}

Heard hear_program(const ProgramRun& run, const Clock& clock) {
  return execute(run, clock, Keep::everything);
}

Result<void> wait_for_orphan(const std::filesystem::path& proc, const Process& orphan,
                             int64_t deadline_boot_us, const Clock& clock) {
  const auto lives = [&] {
    const auto now = read_process(proc, orphan.pid);
    return now && now->start_ticks == orphan.start_ticks;
  };
  while (lives()) {
    if (clock.boot_us() >= deadline_boot_us) {
      kill_group(orphan.pid, SIGKILL);
      return fail("a program of the interrupted run did not end in time and was killed");
    }
    clock.pause_us(kPollUs);
  }
  return {};
}

}  // namespace serin::helper
