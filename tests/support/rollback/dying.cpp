#include "tests/support/rollback/dying.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/rollback/action.h"

namespace serin::helper {
namespace {

/// Ends the process at the n-th moment.
class DyingObserver final : public StepObserver {
 public:
  explicit DyingObserver(int at) : left_(at) {}
  void reached(std::string_view /*moment*/) override {
    if (--left_ == 0) ::_exit(99);
  }

 private:
  int left_;
};

/// Ends the process at a moment of this name.
class DyingAfter final : public StepObserver {
 public:
  explicit DyingAfter(std::string_view moment) : moment_(moment) {}
  void reached(std::string_view moment) override {
    if (moment == moment_) ::_exit(99);
  }

 private:
  std::string_view moment_;
};

}  // namespace

void run(TestHost& host) {
  StepObserver observer;
  const auto done = run_action("api", host.settings, host.clock, observer);
  ASSERT_TRUE(done.has_value()) << done.error().message;
}

bool die_after(TestHost& host, const Command& command, std::string_view moment) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    DyingAfter observer(moment);
    static_cast<void>(host.execute(command));
    ::_exit(run_action("api", host.settings, host.clock, observer) ? 0 : 3);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WEXITSTATUS(status) == 99;
}

bool die_at(TestHost& host, const Command& command, int n) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    DyingObserver observer(n);
    Helper helper(host.settings, host.clock, host.launcher, observer);
    if (!helper.start()) ::_exit(1);
    const Bytes packet = host.execute_request(command);
    if (helper.answer(packet, packet.size()).answer != HelperAnswer::accepted) ::_exit(2);
    ::_exit(run_action("api", host.settings, host.clock, observer) ? 0 : 3);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == 99 || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  return WEXITSTATUS(status) == 99;
}

std::string by_command(const TestHost& host) {
  const auto script = host.root() / "back.sh";
  write_text(script,
             "#!/bin/sh\necho \"$SERIN_SERVICE $SERIN_TARGET\" >> " +
                 (host.root() / "runs").native() + "\nln -sfn \"releases/$SERIN_TARGET\" " +
                 (host.root() / "current").native() + "\nexec " + host.restart_script().native() +
                 "\n",
             0755);
  return "[[rollback]]\naction = \"command\"\ncommand = [\"" + script.native() +
         "\"]\nhealthy = { http = \"" + host.health_url() + "\", within = \"5s\" }\n";
}

}  // namespace serin::helper
