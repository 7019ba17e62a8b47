#include "agent/rollback/launcher.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "agent/rollback/program.h"
#include "common/file.h"

namespace serin::helper {
namespace {

constexpr int64_t kStartUs = 5 * kSecondUs;  // systemctl --no-block only queues the job

[[noreturn]] void become(const char* program, char* const* argv) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);  // the action belongs to init from here on
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(program, argv);
  ::_exit(127);
}

}  // namespace

Result<void> DetachedLauncher::launch(const std::string& service) {
  std::vector<std::string> words{"serin-rollback", "--run", service};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail("fork: " + errno_text(errno));
  if (pid == 0) become(program_.c_str(), argv.data());
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

Result<void> UnitLauncher::launch(const std::string& service) {
  const SystemClock clock;
  return run_program({.argv = {systemctl_.native(), "--no-block", "start",
                               fmt::format("serin-action@{}.service", service)},
                      .environment = {},
                      .deadline_boot_us = clock.boot_us() + kStartUs,
                      .before_start = {}},
                     clock);
}

}  // namespace serin::helper
