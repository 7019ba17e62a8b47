#include "agent/rollback/action.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/rollback/host.h"

namespace serin::helper {
namespace {

constexpr std::string_view kWholeStory = "accepted preflight switched restarted healthy verified";

void run(TestHost& host) {
  StepObserver observer;
  const auto done = run_action("api", host.settings, host.clock, observer);
  ASSERT_TRUE(done.has_value()) << done.error().message;
}

TEST(Action, PutsTheTargetBackAndVerifiesIt) {
  TestHost host;
  host.start("v2");
  const auto accepted = host.execute(host.command());
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  EXPECT_EQ(host.launcher.launched, std::vector<std::string>{"api"});
  EXPECT_EQ(host.running(), "v2") << "nothing is done before the action runs";
  EXPECT_EQ(host.status().answer, HelperAnswer::in_progress);

  run(host);
  EXPECT_EQ(host.selected(), "v1");
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(host.starts_of("v1"), 1);
  EXPECT_EQ(read_text(host.root() / "restarts"), "api v1\n");
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(TestHost::steps(status), kWholeStory);
  EXPECT_EQ(status.target, "v1");
  EXPECT_FALSE(std::filesystem::exists(host.settings.state / "pending" / "api"));
}

TEST(Action, ARepeatedCommandAnswersTheRecordedOutcomeAndDoesNothing) {
  TestHost host;
  host.start("v2");
  const auto command = host.command();
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  run(host);
  host.start("v2");  // somebody deploys it once more
  auto again = command;
  again.revision = 7;
  const auto reply = host.execute(again);
  EXPECT_EQ(reply.answer, HelperAnswer::done);
  EXPECT_EQ(TestHost::steps(reply), kWholeStory);
  run(host);
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(host.launcher.launched.size(), 1U);
}

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

/// Delivers the command and runs the action in a process of their own that dies at the n-th moment.
/// False once there is no such moment any more.
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

TEST(Action, StoppedAtAnyMomentItIsFinishedByTheNextProcessAndNothingIsDoneTwice) {
  for (int n = 1;; ++n) {
    SCOPED_TRACE(testing::Message() << "stopped at moment " << n);
    TestHost host;
    host.start("v2");
    const auto command = host.command();
    const bool died = die_at(host, command, n);
    // The aggregator hears nothing and sends the command again; then the action is continued.
    const auto reply = host.execute(command);
    EXPECT_NE(reply.answer, HelperAnswer::refused) << reply.text;
    run(host);
    const auto status = host.status();
    EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
    EXPECT_EQ(TestHost::steps(status), kWholeStory);
    EXPECT_EQ(host.selected(), "v1");
    EXPECT_EQ(host.running(), "v1");
    EXPECT_EQ(host.starts_of("v1"), 1);
    for (const auto& entry : std::filesystem::directory_iterator(host.root())) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".serin-")) << entry.path();
    }
    if (testing::Test::HasFailure())
      std::fputs(read_text(host.settings.state / "done" / command.id).c_str(), stderr);
    ASSERT_FALSE(testing::Test::HasFailure());
    if (!died) {
      EXPECT_GT(n, 20) << "the moments are not announced any more";
      break;
    }
  }
}

}  // namespace
}  // namespace serin::helper
