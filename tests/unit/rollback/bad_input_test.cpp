#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/rollback/action.h"
#include "agent/rollback/health.h"
#include "common/file.h"
#include "tests/support/rollback/host.h"

// What a hostile, or careless, neighbour could do to an action that is being carried out. Forged,
// replayed, expired and mis-addressed commands, service files of others and hostile names are in
// helper_test.cpp; strangers and two commands at once in the integration tests.

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

class BadInputTest : public testing::Test {
 protected:
  void run() {
    StepObserver observer;
    const auto done = run_action("api", host.settings, host.clock, observer);
    ASSERT_TRUE(done) << done.error().message;
  }
  void describe(const std::string& from, const std::string& to) {
    auto text = host.by_symlink();
    text.replace(text.find(from), from.size(), to);
    host.describe(text);
  }
  TestHost host;
};

/// Takes connections and never answers.
class DeafServer {
 public:
  DeafServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    SERIN_VERIFY(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    SERIN_VERIFY(::listen(fd_.get(), 8) == 0);
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/";
  }

 private:
  UniqueFd fd_;
  int port_ = 0;
};

TEST_F(BadInputTest, AHealthUrlThatNeverAnswersEndsAtItsTimeAndIsNoHealth) {
  const DeafServer deaf;
  const int64_t begin = host.clock.boot_us();
  const auto health = check_health(deaf.url(), 300'000);
  ASSERT_FALSE(health);
  EXPECT_NE(health.error().message.find("Timeout was reached"), std::string::npos);
  EXPECT_LT(host.clock.boot_us() - begin, 5 * kSecondUs);

  host.start("v2");
  auto text = host.by_symlink();
  text.replace(text.find(host.health_url()), host.health_url().size(), deaf.url());
  text.replace(text.find("10s"), 3, "1s");
  host.describe(text);
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("not healthy within 1 s"), std::string::npos)
      << host.status().text;
}

TEST_F(BadInputTest, AReleaseThatBecomesASymlinkAfterTheAcceptanceIsNotSwitchedTo) {
  host.start("v2");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  fs::rename(host.root() / "releases/v1", host.root() / "elsewhere");
  fs::create_symlink(host.root() / "elsewhere", host.root() / "releases/v1");
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("a symlink stands in the way"), std::string::npos)
      << host.status().text;
  EXPECT_EQ(host.selected(), "v2");
  EXPECT_EQ(host.running(), "v2");
}

TEST_F(BadInputTest, AReleaseThatBecomesAFileOrAPipeHoldsNobodyUp) {
  host.start("v2");
  fs::remove_all(host.root() / "releases/v1");
  ASSERT_EQ(::mkfifo((host.root() / "releases/v1").c_str(), 0600), 0);
  EXPECT_EQ(name(host.execute(host.command()).refusal), name(Refusal::target));
  fs::remove(host.root() / "releases/v1");
  write_text(host.root() / "releases/v1", "x");
  EXPECT_EQ(name(host.execute(host.command()).refusal), name(Refusal::target));
}

TEST_F(BadInputTest, TheReleasesFolderThatIsSwappedForALinkElsewhereIsNotLeft) {
  host.start("v2");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  fs::rename(host.root() / "releases", host.root() / "before");
  fs::create_directories(host.root() / "other/v1");
  fs::create_symlink("other", host.root() / "releases");
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::failed) << host.status().text;
  EXPECT_EQ(fs::read_symlink(host.root() / "current"), "releases/v2");
}

TEST_F(BadInputTest, AServiceFileThatOthersMayWriteByThenStopsTheActionToo) {
  host.start("v2");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  ::chmod((host.settings.services / "api.toml").c_str(), 0666);
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("writable by others"), std::string::npos) << host.status().text;
  EXPECT_EQ(host.running(), "v2");
}

TEST_F(BadInputTest, AnIrreversibleMarkerThatAppearsAfterTheAcceptanceStillCounts) {
  host.start("v2");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  write_text(host.root() / "releases/v2/.serin-irreversible", "");
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("cannot be undone"), std::string::npos) << host.status().text;
  EXPECT_EQ(host.running(), "v2");
}

TEST_F(BadInputTest, ACommandOlderThanTheCondemningOfItsTargetIsRefused) {
  host.add_release("v0");
  host.start("v1");
  auto first = host.command("v1", "v0");
  first.issued_us += 1000;
  ASSERT_EQ(host.execute(first).answer, HelperAnswer::accepted);
  run();
  ASSERT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  host.start("v2");
  auto late = host.command("v2", "v1", 1);
  late.issued_us = first.issued_us - 500;
  const auto reply = host.execute(late);
  EXPECT_EQ(name(reply.refusal), name(Refusal::target));
  EXPECT_NE(reply.text.find("v1 was condemned itself"), std::string::npos) << reply.text;
  auto knowing = host.command("v2", "v1", 2);
  knowing.issued_us = first.issued_us + 500;
  EXPECT_EQ(host.execute(knowing).answer, HelperAnswer::accepted) << "absolved meanwhile";
}

TEST_F(BadInputTest, AnActionThatHangsIsKilledAtItsTimeLimit) {
  host.start("v2");
  const auto hang = host.root() / "hang.sh";
  write_text(hang, "#!/bin/sh\ntrap '' TERM\nsleep 1000 & wait\nsleep 1000\n", 0755);
  host.describe("[[rollback]]\naction = \"command\"\ncommand = [\"" + hang.native() +
                "\"]\ntimeout = \"1s\"\nhealthy = { within = \"1s\" }\n");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  const int64_t begin = host.clock.boot_us();
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
  EXPECT_NE(host.status().text.find("did not end in time and was killed"), std::string::npos);
  EXPECT_LT(host.clock.boot_us() - begin, 15 * kSecondUs);
}

}  // namespace
}  // namespace serin::helper
