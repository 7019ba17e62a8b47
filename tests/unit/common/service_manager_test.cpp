#include "common/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include "common/file.h"
#include "common/watchdog.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin {
namespace {

/// Sets environment variables and takes them back.
class ServiceManager : public testing::Test {
 protected:
  ~ServiceManager() override {
    for (const char* name :
         {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY"})
      ::unsetenv(name);
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

  /// A manager that listens; `name` as NOTIFY_SOCKET has it.
  static UniqueFd manager_at(const std::string& name) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    set("NOTIFY_SOCKET", name);
    return fd;
  }
  static std::string heard(const UniqueFd& manager) {
    std::array<char, 256> text{};
    const auto size = ::recv(manager.get(), text.data(), text.size(), 0);
    return size < 0 ? "" : std::string(text.data(), static_cast<size_t>(size));
  }

  TemporaryFolder folder_;
};

TEST_F(ServiceManager, IsToldTheStateAtItsSocket) {
  const auto manager = manager_at((folder_.path() / "notify").native());
  notify_manager("READY=1");
  EXPECT_EQ(heard(manager), "READY=1");
  EXPECT_EQ(heard(manager), "");
}

TEST_F(ServiceManager, IsToldAtASocketWithoutAFolderToo) {
  const auto manager = manager_at("@serin-test-" + std::to_string(::getpid()));
  notify_manager("STOPPING=1");
  EXPECT_EQ(heard(manager), "STOPPING=1");
}

TEST_F(ServiceManager, OneThatIsNotThereOrHasAnImpossibleNameHarmsNobody) {
  notify_manager("READY=1");
  set("NOTIFY_SOCKET", (folder_.path() / "nobody").native());
  notify_manager("READY=1");
  set("NOTIFY_SOCKET", "/" + std::string(200, 'x'));
  notify_manager("READY=1");
  set("NOTIFY_SOCKET", "vsock:2:1234");
  notify_manager("READY=1");
}

TEST_F(ServiceManager, WatchesOnlyTheProcessThatItNames) {
  EXPECT_FALSE(watchdog_time());
  set("WATCHDOG_USEC", "30000000");
  EXPECT_EQ(watchdog_time(), std::chrono::seconds(30));
  set("WATCHDOG_PID", std::to_string(::getpid()));
  EXPECT_EQ(watchdog_time(), std::chrono::seconds(30));
  set("WATCHDOG_PID", std::to_string(::getppid()));
  EXPECT_FALSE(watchdog_time()) << "inherited from a parent";
  ::unsetenv("WATCHDOG_PID");
  for (const char* odd : {"", "0", "-5", "30s", "99999999999999999999999"}) {
    set("WATCHDOG_USEC", odd);
    EXPECT_FALSE(watchdog_time()) << odd;
  }
}

TEST_F(ServiceManager, HearsThatTheLoopTurnsWithinAThirdOfItsTime) {
  const auto manager = manager_at((folder_.path() / "notify").native());
  set("WATCHDOG_USEC", "3000");
  UvLoop loop;
  {
    const Watchdog watchdog(loop.get());
    for (int beats = 0; beats < 3;) {
      loop.run_once();
      while (heard(manager) == "WATCHDOG=1") ++beats;
    }
  }
  loop.run();
  EXPECT_EQ(heard(manager), "") << "silent when it is gone, and the loop may end";
}

TEST_F(ServiceManager, ASecretIsReadWhereTheManagerPutIt) {
  const std::filesystem::path configured = "/etc/serin/agent.creds";
  EXPECT_EQ(credential_path(configured), configured);
  set("CREDENTIALS_DIRECTORY", folder_.path().native());
  EXPECT_EQ(credential_path(configured), configured);
  folder_.write("etc-serin-agent.creds", "secret");
  EXPECT_EQ(credential_path(configured), folder_.path() / "etc-serin-agent.creds");
  EXPECT_EQ(credential_path("/srv/agent.creds"), "/srv/agent.creds") << "another file of that name";
  EXPECT_EQ(credential_path("agent.creds"), "agent.creds");
}

TEST_F(ServiceManager, ASecretInAFolderThatWasHandedOverIsFoundByItsName) {
  set("CREDENTIALS_DIRECTORY", folder_.path().native());
  folder_.write("etc-serin-notify.d_slack.url", "https://chat.invalid/x");
  EXPECT_EQ(credential_path("/etc/serin/notify.d/slack.url"),
            folder_.path() / "etc-serin-notify.d_slack.url");
  EXPECT_EQ(credential_path("/etc/serin/notify.d/teams.url"), "/etc/serin/notify.d/teams.url");
}

TEST_F(ServiceManager, ACredentialThatHoldsALineEndStandsForAMissingFile) {
  set("CREDENTIALS_DIRECTORY", folder_.path().native());
  folder_.write("etc-serin-agent.creds", "\n");
  EXPECT_EQ(credential_path("/etc/serin/agent.creds"), "/etc/serin/agent.creds");
}

}  // namespace
}  // namespace serin
