#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "agent/rollback/action.h"
#include "agent/rollback/conditions.h"
#include "agent/rollback/inspect.h"
#include "agent/rollback/package.h"
#include "tests/support/rollback/host.h"

// Real packages put back by the real apt and dpkg, with a real systemd. Runs on a booted host only
// (tests/integration/units/booted_host), as root.

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRepository = "/srv/probe-repository";
constexpr std::string_view kWholeStory = "accepted preflight switched restarted healthy verified";

int shell(const std::string& command) {
  const int status = std::system(("exec >>/run/test-output 2>&1; " + command).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string line_of(const std::string& command) {
  static_cast<void>(shell(command + " >/run/test-line"));
  const auto text = read_text("/run/test-line");
  return text.substr(0, text.find('\n'));
}

std::string installed(const std::string& name = "probe") {
  return line_of("dpkg-query -W -f '${Version} ${db:Status-Status}' " + name);
}

class AptTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(shell(std::string(MAKE_DEBS) + " " + kRepository), 0)
        << read_text("/run/test-output");
  }
  AptTest() {
    put("2.0-1");
    describe();
    fs::remove("/run/probe-starts");
    fs::remove("/run/probe-scripts");
  }
  ~AptTest() override {
    shell(
        "rm -f /run/probe-*; rm -rf /etc/systemd/system/probe.service.d; systemctl stop probe; "
        "systemctl reset-failed");
    shell(
        "dpkg --configure -a; apt-mark unhold probe; dpkg --purge probe other marked; "
        "rm -f /var/cache/apt/archives/*.deb");
    if (reindex_) index("*");
  }

  /// The repository holds these packages alone.
  void index(const std::string& pattern) {
    reindex_ = pattern != "*";
    ASSERT_EQ(shell(fmt::format("{}/index '{}'", kRepository, pattern)), 0);
  }

  /// As a deploy would: the version is installed, and its service runs it.
  static void put(const std::string& version) {
    ASSERT_EQ(shell(std::string("dpkg -i ") + kRepository + "/pool/probe_" + version + "_all.deb"),
              0)
        << read_text("/run/test-output");
    ASSERT_EQ(shell("systemctl restart probe"), 0);
  }
  void describe(const std::string& more = {}) {
    write_text(
        host.settings.services / "api.toml",
        "unit = \"probe.service\"\nversion = { package = \"probe\" }\n\n[[rollback]]\n"
        "action = \"package\"\nrestart = \"probe.service\"\nhealthy = { within = \"10s\" }\n" +
            more);
  }
  HelperReply roll_back(const std::string& from = "2.0-1", const std::string& to = "1.0-1") {
    const auto accepted = host.execute(host.command(from, to));
    if (accepted.answer == HelperAnswer::refused) return accepted;
    run();
    return host.status();
  }
  void run() {
    StepObserver observer;
    const auto done = run_action("api", host.settings, host.clock, observer);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::string running() {
    const auto service = load_service_file(host.settings.services / "api.toml");
    if (!service) return service.error().message;
    const auto seen = inspect(*service, host.settings, host.clock);
    if (!seen) return seen.error().message;
    if (!seen->running) return "nothing";
    return seen->running->doubt.empty() ? seen->running->version : seen->running->doubt;
  }

  TestHost host;

 private:
  bool reindex_ = false;
};

TEST_F(AptTest, AnOlderVersionIsPutBackAndRestartedOnce) {
  write_text("/etc/probe.conf", "changed by a person\n");
  EXPECT_EQ(running(), "2.0-1");
  const auto status = roll_back();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text << read_text("/run/test-output");
  EXPECT_EQ(TestHost::steps(status), kWholeStory);
  EXPECT_EQ(installed(), "1.0-1 installed");
  EXPECT_EQ(running(), "1.0-1");
  EXPECT_EQ(read_text("/etc/probe.conf"), "changed by a person\n");
  EXPECT_EQ(read_text("/run/probe-scripts"), "1.0-1 configure\n");
  EXPECT_EQ(read_text("/run/probe-starts"), "1.0-1\n") << "its script would have restarted it too";
  EXPECT_EQ(line_of("systemctl show --value -p Description probe"), "probe 1.0-1")
      << "systemd was not told of the older unit file";
}

TEST_F(AptTest, TheCacheServesAVersionThatTheRepositoryHasForgotten) {
  fs::copy_file(fs::path(kRepository) / "pool/probe_1.0-1_all.deb",
                "/var/cache/apt/archives/probe_1.0-1_all.deb");
  index("probe_2*");
  const auto status = roll_back();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(running(), "1.0-1");
}

TEST_F(AptTest, AFileInTheCacheThatIsNotRootsIsNoPackage) {
  const fs::path file = "/var/cache/apt/archives/probe_1.0-1_all.deb";
  fs::copy_file(fs::path(kRepository) / "pool/probe_1.0-1_all.deb", file);
  ASSERT_EQ(::chown(file.c_str(), 65534, 65534), 0);
  index("probe_2*");
  const auto status = roll_back();
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_NE(status.text.find("Version '1.0-1' for 'probe' was not found"), std::string::npos)
      << status.text;
  EXPECT_EQ(installed(), "2.0-1 installed");
}

/// What cannot be done is found out before anything is changed.
TEST_F(AptTest, WhatAptCouldNotDoIsFoundBeforeAnythingChanges) {
  ASSERT_EQ(shell("apt-get install -y other"), 0);
  struct Case {
    const char* target;
    const char* why;
  };
  int ordinal = 0;
  for (const auto& [target, why] :
       {Case{"9.9-1", "Version '9.9-1' for 'probe' was not found"},
        Case{"3.0-1", "nowhere-to-be-found"}, Case{"0.5-1", "Packages need to be removed"},
        Case{"4.0-1", "KiB are needed: free some"}}) {
    const auto accepted = host.execute(host.command("2.0-1", target, ordinal++));
    ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
    run();
    const auto status = host.status();
    EXPECT_EQ(status.answer, HelperAnswer::failed) << target;
    EXPECT_EQ(TestHost::steps(status), "accepted failed") << target;
    EXPECT_NE(status.text.find(why), std::string::npos) << target << ": " << status.text;
  }
  EXPECT_EQ(installed(), "2.0-1 installed");
  EXPECT_EQ(installed("other"), "1.0-1 installed");
  EXPECT_EQ(running(), "2.0-1");
}

TEST_F(AptTest, APackageThatPeopleHoldStays) {
  ASSERT_EQ(shell("apt-mark hold probe"), 0);
  const auto status = roll_back();
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_NE(status.text.find("Held packages were changed"), std::string::npos) << status.text;
  EXPECT_EQ(installed(), "2.0-1 installed");
}

TEST_F(AptTest, ARepositoryThatIsGoneIsFoundBeforeAnythingChanges) {
  fs::rename(fs::path(kRepository) / "pool", fs::path(kRepository) / "gone");
  const auto status = roll_back();
  fs::rename(fs::path(kRepository) / "gone", fs::path(kRepository) / "pool");
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_EQ(TestHost::steps(status), "accepted failed");
  EXPECT_EQ(installed(), "2.0-1 installed");
  EXPECT_EQ(running(), "2.0-1");
}

TEST_F(AptTest, TargetsThatAreNoVersionsOfPackagesAreRefused) {
  for (const char* target : {"1.0-1 probe=2.0-1", "1.0*", "-y", "1.0\n", "1;reboot", "stable ~"}) {
    const auto reply = host.execute(host.command("2.0-1", target));
    EXPECT_EQ(reply.answer, HelperAnswer::refused) << target;
  }
  EXPECT_EQ(installed(), "2.0-1 installed");
}

TEST_F(AptTest, AMarkerAnywhereInThePackageFreezesIt) {
  ASSERT_EQ(shell("apt-get install -y marked=1.0-1"), 0);
  write_text(host.settings.services / "api.toml",
             "unit = \"probe.service\"\nversion = { package = \"marked\" }\n\n[[rollback]]\n"
             "action = \"package\"\nrestart = \"probe.service\"\n");
  ASSERT_EQ(shell("sleep 0.2; systemctl restart probe"), 0);
  const auto reply = host.execute(host.command("1.0-1", "0.9-1"));
  EXPECT_EQ(name(reply.refusal), name(Refusal::irreversible)) << reply.text;
}

TEST_F(AptTest, ACrashLoopAtItsStartLimitIsPutBack) {
  ASSERT_EQ(shell("apt-get install -y probe=2.1-1"), 0);
  EXPECT_NE(read_text("/run/probe-starts").find("2.1-1\n"), std::string::npos)
      << "left alone, its script does restart it";
  EXPECT_TRUE(eventually([] {
    static_cast<void>(shell("systemctl start probe"));
    return line_of("systemctl show --value -p ActiveState probe") == "failed";
  })) << line_of("systemctl show -p ExecStart -p ActiveState -p NRestarts probe | tr '\\n' ' '")
      << read_text("/run/probe-starts");
  EXPECT_EQ(running(), "nothing");
  const auto status = roll_back("2.1-1");
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(running(), "1.0-1");
}

TEST_F(AptTest, AReleaseThatDiesAtOnceIsNotTakenForRunning) {
  describe("");
  auto text = read_text(host.settings.services / "api.toml");
  text.replace(text.find("10s"), 3, "2s");
  write_text(host.settings.services / "api.toml", text);
  const auto status = roll_back("2.0-1", "2.1-1");
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_EQ(TestHost::steps(status), "accepted preflight switched restarted failed") << status.text;
  EXPECT_EQ(installed(), "2.1-1 installed");
}

/// The kernel tells of an interpreter, so that only times can tell the version.
TEST_F(AptTest, AScriptsVersionIsThatOfItsStart) {
  fs::create_directories("/etc/systemd/system/probe.service.d");
  write_text("/etc/systemd/system/probe.service.d/script.conf",
             "[Service]\nExecStart=\nExecStart=/usr/lib/probe/script\n");
  ASSERT_EQ(shell("sleep 0.2; systemctl daemon-reload; systemctl restart probe"), 0);
  EXPECT_EQ(running(), "2.0-1");
  const auto status = roll_back();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(running(), "1.0-1");
  ASSERT_EQ(
      shell("apt-get install -y --reinstall probe=1.0-1 && SYSTEMD_OFFLINE=1 apt-get install -y "
            "probe=2.0-1"),
      0);
  EXPECT_NE(running().find("changed after the process started"), std::string::npos) << running();
}

TEST_F(AptTest, AProcessOfFilesThatWereReplacedIsInDoubt) {
  ASSERT_EQ(shell("SYSTEMD_OFFLINE=1 apt-get install -y --allow-downgrades probe=1.0-1"), 0);
  EXPECT_EQ(running(), "the package was changed after the process started");
  const auto reply = host.execute(host.command("2.0-1", "1.0-1"));
  EXPECT_EQ(name(reply.refusal), name(Refusal::ambiguous)) << reply.text;
}

/// Runs the pending action in a process of its own.
pid_t begin_action(const TestHost& host) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    StepObserver observer;
    ::_exit(run_action("api", host.settings, host.clock, observer) ? 0 : 3);
  }
  return pid;
}

TEST_F(AptTest, AnActionThatIsKilledLeavesAptAtWorkAndIsFinishedByTheNext) {
  write_text("/run/probe-preinst-hangs-1.0-1", "");
  const auto accepted = host.execute(host.command("2.0-1", "1.0-1"));
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  const pid_t pid = begin_action(host);
  ASSERT_TRUE(eventually([] { return fs::exists("/run/probe-hangs"); }))
      << read_text("/run/test-output");
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  fs::remove("/run/probe-preinst-hangs-1.0-1");
  const pid_t again = begin_action(host);
  ASSERT_EQ(shell("pkill -x sleep"), 0);
  ::waitpid(again, nullptr, 0);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(running(), "1.0-1");
  EXPECT_EQ(read_text("/run/probe-starts"), "1.0-1\n");
}

TEST_F(AptTest, APowerCutInTheMiddleOfDpkgIsMendedAndFinished) {
  write_text("/run/probe-preinst-hangs-1.0-1", "");
  const auto accepted = host.execute(host.command("2.0-1", "1.0-1"));
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  const pid_t pid = begin_action(host);
  ASSERT_TRUE(eventually([] { return fs::exists("/run/probe-hangs"); }));
  // All of it at once, as a power cut would, and the next boot has another id.
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  shell("pkill -KILL apt-get; pkill -KILL dpkg; pkill -KILL -x sleep");
  fs::remove("/run/probe-preinst-hangs-1.0-1");
  EXPECT_FALSE(fs::is_empty("/var/lib/dpkg/updates")) << "dpkg was not cut off in the middle";
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(installed(), "1.0-1 installed");
  EXPECT_EQ(running(), "1.0-1");
}

TEST_F(AptTest, DpkgThatSomebodyElseLeftInPiecesIsTheirsToMend) {
  write_text("/run/probe-preinst-hangs-1.0-1", "");
  const pid_t other = ::fork();
  if (other == 0) ::_exit(shell("apt-get install -y --allow-downgrades probe=1.0-1"));
  ASSERT_TRUE(eventually([] { return fs::exists("/run/probe-hangs"); }));
  shell("pkill -KILL apt-get; pkill -KILL dpkg; pkill -KILL -x sleep");
  ::waitpid(other, nullptr, 0);
  fs::remove("/run/probe-preinst-hangs-1.0-1");
  const auto reply = host.execute(host.command("2.0-1", "1.0-1"));
  EXPECT_EQ(reply.answer, HelperAnswer::refused);
  EXPECT_NE(reply.text.find("dpkg --configure -a"), std::string::npos) << reply.text;
}

TEST_F(AptTest, APackageManagerThatIsAtWorkIsWaitedFor) {
  write_text("/run/probe-preinst-hangs-2.1-1", "");
  const pid_t other = ::fork();
  if (other == 0) ::_exit(shell("apt-get install -y probe=2.1-1"));
  ASSERT_TRUE(eventually([] { return fs::exists("/run/probe-hangs"); }));
  describe("timeout = \"2s\"\n");
  auto text = read_text(host.settings.services / "api.toml");
  text.replace(text.find("10s"), 3, "1s");
  write_text(host.settings.services / "api.toml", text);
  const auto job = package_job({.action = {},
                                .releases = {},
                                .link = {},
                                .restart = {},
                                .argv = {},
                                .packages = {"probe"},
                                .package_version = {},
                                .flag = {},
                                .healthy = {}},
                               "1.0-1", host.settings, host.clock);
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_TRUE(check_packages(*job, host.settings)) << "a package manager at work is no fault";
  const auto plan =
      prepare_packages(*job, host.clock.boot_us() + kSecondUs, host.settings, host.clock);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("holds dpkg's lock"), std::string::npos)
      << plan.error().message;
  const pid_t freeing = ::fork();
  if (freeing == 0) {
    ::usleep(300'000);
    ::_exit(shell("rm /run/probe-preinst-hangs-2.1-1; pkill -x sleep"));
  }
  const auto later =
      prepare_packages(*job, host.clock.boot_us() + 60 * kSecondUs, host.settings, host.clock);
  EXPECT_TRUE(later) << later.error().message;
  ::waitpid(freeing, nullptr, 0);
  ::waitpid(other, nullptr, 0);
}

TEST_F(AptTest, ADrillGoesThereAndBack) {
  auto drill = host.command("2.0-1", "1.0-1");
  drill.kind = CommandKind::drill;
  ASSERT_EQ(host.execute(drill).answer, HelperAnswer::accepted);
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(installed(), "2.0-1 installed");
  EXPECT_EQ(running(), "2.0-1");
  EXPECT_EQ(read_text("/run/probe-starts"), "1.0-1\n2.0-1\n");
}

TEST_F(AptTest, ADrillDoesNotLeaveAVersionThatCannotBeHadAgain) {
  index("probe_1*");
  auto drill = host.command("2.0-1", "1.0-1");
  drill.kind = CommandKind::drill;
  ASSERT_EQ(host.execute(drill).answer, HelperAnswer::accepted);
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("the way back: probe 2.0-1 is neither in a repository nor in"),
            std::string::npos)
      << host.status().text;
  EXPECT_EQ(running(), "2.0-1");
  EXPECT_EQ(read_text("/run/probe-starts"), "");
}

TEST_F(AptTest, AHangingScriptIsKilledAtTheTimeLimitAndTold) {
  write_text("/run/probe-preinst-hangs-1.0-1", "");
  auto text = read_text(host.settings.services / "api.toml");
  text.replace(text.find("10s"), 3, "5s");
  write_text(host.settings.services / "api.toml", text + "timeout = \"12s\"\n");
  const auto status = roll_back();
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_NE(status.text.find("did not end in time and was killed"), std::string::npos)
      << status.text;
  shell("pkill -KILL -x sleep");
  fs::remove("/run/probe-preinst-hangs-1.0-1");
}

}  // namespace
}  // namespace serin::helper

int main(int argc, char** argv) {
  // It changes the packages of the machine that it runs on.
  if (std::getenv("SERIN_BOOTED_HOST") == nullptr) return 77;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
