#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "agent/rollback/action.h"
#include "tests/support/rollback/host.h"

// A real rpm put back by the real dnf. Debian has both; what differs on a host of rpms alone is
// only that dpkg knows nothing there, as it knows nothing of this package here.

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRepository = "/srv/rprobe-repository";

int shell(const std::string& command) {
  const int status = std::system(("exec >>/run/test-output 2>&1; " + command).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class DnfTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tool : {"/usr/bin/dnf", "/usr/bin/rpmbuild", "/usr/bin/createrepo_c"}) {
      if (::access(tool, X_OK) != 0)
        GTEST_SKIP() << tool << " is missing (apt install dnf rpm createrepo-c)";
    }
    ASSERT_EQ(shell(std::string(MAKE_RPMS) + " " + kRepository), 0)
        << read_text("/run/test-output");
    ASSERT_EQ(shell("sleep 1.2; systemctl daemon-reload; systemctl start rprobe"), 0);
    write_text(
        host.settings.services / "api.toml",
        "unit = \"rprobe.service\"\nversion = { package = \"rprobe\" }\n\n[[rollback]]\n"
        "action = \"package\"\nrestart = \"rprobe.service\"\nhealthy = { within = \"10s\" }\n");
  }
  void run() {
    StepObserver observer;
    const auto done = run_action("api", host.settings, host.clock, observer);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::string inspected() {
    return host.ask({.verb = HelperVerb::inspect, .service = "api", .command = {}}).version;
  }
  ~DnfTest() override {
    shell(
        "systemctl stop rprobe; rpm -e --nodeps rprobe; rm -rf /run/rprobe-* "
        "/srv/rprobe-repository");
  }
  TestHost host;
};

TEST_F(DnfTest, AnOlderVersionIsPutBackByADowngrade) {
  EXPECT_EQ(inspected(), "2.0-1");
  write_text("/etc/rprobe.conf", "changed by a person\n");
  fs::remove("/run/rprobe-scripts");
  ASSERT_EQ(host.execute(host.command("2.0-1", "1.0-1")).answer, HelperAnswer::accepted);
  run();
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text << read_text("/run/test-output");
  EXPECT_EQ(inspected(), "1.0-1");
  EXPECT_EQ(read_text("/etc/rprobe.conf"), "changed by a person\n");
  EXPECT_EQ(read_text("/run/rprobe-scripts"), "1.0\n");
}

TEST_F(DnfTest, AVersionThatNoRepositoryHasIsFoundBeforeAnythingChanges) {
  ASSERT_EQ(host.execute(host.command("2.0-1", "0.9-1")).answer, HelperAnswer::accepted);
  run();
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::failed);
  EXPECT_EQ(TestHost::steps(status), "accepted failed");
  EXPECT_NE(status.text.find("rprobe-0.9-1"), std::string::npos) << status.text;
  EXPECT_EQ(inspected(), "2.0-1");
}

}  // namespace
}  // namespace serin::helper
