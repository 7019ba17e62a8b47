#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "schema/wire.h"
#include "tests/integration/rollback/helper_process.h"

// The helper in its own units of a real systemd: what it keeps from inside its sandbox, and what
// its action does to a real unit. Runs as root on a booted host (booted_host) only.

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSocket = "/run/serin/rollback.sock";

int shell(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The units as they are installed, with the helper of this build: a copy of it, as the units have
/// a /tmp and homes of their own, in which the build may lie.
void install_units() {
  const fs::path programs = "/run/serin-test";
  fs::create_directories(programs);
  fs::copy_file(fs::path(std::getenv("SERIN_BIN")) / "serin-rollback", programs / "serin-rollback",
                fs::copy_options::overwrite_existing);
  const fs::path units = fs::read_symlink("/proc/self/exe").parent_path() / "units";
  for (const char* name :
       {"serin-rollback.socket", "serin-rollback.service", "serin-action@.service"}) {
    auto text = read_text(units / name);
    const std::string installed = "ExecStart=/usr/sbin/";
    if (const auto at = text.find(installed); at != std::string::npos)
      text.replace(at, installed.size(), fmt::format("ExecStart={}/", programs.native()));
#ifdef __SANITIZE_ADDRESS__
    // Its shadow memory, and leaks that are looked for by ptrace, are no part of the product.
    if (const auto at = text.find("MemoryMax=64M"); at != std::string::npos)
      text.replace(at, 13, "Environment=ASAN_OPTIONS=detect_leaks=0");
#endif
    write_text(fs::path("/run/systemd/system") / name, text);
  }
}

class VerbsTest : public testing::Test {
 protected:
  void SetUp() override {
    host.settings.state = "/var/lib/serin/rollback";
    fs::create_directories("/etc/serin");
    write_text(
        "/etc/serin/rollback.toml",
        fmt::format("services = \"{0}/services.d\"\nkeys = \"{0}/keys\"\nhold = \"{0}/hold\"\n"
                    "host = \"{1}\"\n",
                    host.root().native(), host.settings.host));
    write_text("/run/systemd/system/api.service",
               fmt::format("[Service]\nExecStart={0}/current/app {0} {1}\nKillMode=mixed\n",
                           host.root().native(), port()));
    describe();
    install_units();
    ASSERT_EQ(shell("systemctl daemon-reload && systemctl restart serin-rollback.socket"), 0);
    start("v2");
  }
  void TearDown() override {
    shell("systemctl stop api.service serin-rollback.socket serin-rollback.service");
    shell("rm -rf /var/lib/serin; systemctl reset-failed 2>/dev/null");
  }

  std::string port() {
    const auto url = host.health_url();
    const auto from = url.rfind(':') + 1;
    return url.substr(from, url.find('/', from) - from);
  }
  void describe() {
    auto rollback = host.by_symlink();
    const auto at = rollback.find("restart = ");
    rollback.replace(at, rollback.find('\n', at) - at, "restart = \"api.service\"");
    rollback.replace(rollback.find("10s"), 3, "2s");
    write_text(host.settings.services / "api.toml",
               fmt::format("unit = \"api.service\"\nversion = {{ symlink = \"{}/current\" }}\n{}\n"
                           "[dead_man]\nwithin = \"10m\"\n",
                           host.root().native(), rollback));
  }
  void start(const std::string& version) {
    host.select(version);
    shell("systemctl reset-failed api.service 2>/dev/null");
    ASSERT_EQ(shell("systemctl restart api.service"), 0);
    ASSERT_TRUE(eventually([&] { return host.running() == version; }));
    started = host.clock.boot_us();
  }
  void outlive_patience() {
    ASSERT_TRUE(eventually([&] { return host.clock.boot_us() - started > 2'500'000; }));
  }

  static HelperReply ask(const HelperRequest& request) {
    const auto reply = talk(kSocket, wire::encode(request));
    EXPECT_TRUE(reply) << reply.error().message;
    return reply.value_or(HelperReply{});
  }
  HelperReply execute(const Command& command) {
    return ask({.verb = HelperVerb::execute, .service = {}, .command = host.sign(command)});
  }
  static HelperReply status() {
    return ask({.verb = HelperVerb::status, .service = "api", .command = {}});
  }
  static HelperReply hint() {
    return ask({.verb = HelperVerb::dead_man, .service = "api", .command = {}});
  }
  void confirm(const std::string& version) {
    Command command = host.command("", version, 100);
    command.kind = CommandKind::confirm;
    const auto reply = execute(command);
    ASSERT_EQ(reply.answer, HelperAnswer::done) << reply.text;
  }
  Command drill(int ordinal) {
    Command command = host.command("v2", "v1", ordinal);
    command.kind = CommandKind::drill;
    return command;
  }
  HelperReply outcome() {
    HelperReply last;
    EXPECT_TRUE(eventually(
        [&] {
          last = status();
          return last.answer == HelperAnswer::done || last.answer == HelperAnswer::failed;
        },
        60));
    return last;
  }

  TestHost host;
  int64_t started = 0;
};

TEST_F(VerbsTest, TheSandboxLetsItKeepWhatIsConfirmedAndSeeThatARollbackWouldWork) {
  confirm("v2");
  const auto now = status();
  EXPECT_EQ(name(now.ready), "yes") << now.ready_text;
  EXPECT_EQ(now.ready_target, "v1");
  EXPECT_EQ(now.confirmed, "v2");
  EXPECT_EQ(now.dead_man_seconds, 600);
  shell("systemctl kill -s KILL serin-rollback.service");
  EXPECT_EQ(status().confirmed, "v2") << "the next one knows it too";
}

TEST_F(VerbsTest, ADrillOfAUnitComesBackAlsoWhenItsActionIsKilled) {
  ASSERT_EQ(execute(drill(1)).answer, HelperAnswer::accepted);
  auto last = outcome();
  EXPECT_EQ(last.answer, HelperAnswer::done) << last.text;
  fmt::print("drilled: {}\n", last.text);
  EXPECT_EQ(host.running(), "v2");
  ASSERT_TRUE(status().rehearsed_seconds);

  ASSERT_EQ(execute(drill(2)).answer, HelperAnswer::accepted);
  ASSERT_TRUE(eventually([&] { return host.running() == "v1"; }));
  ASSERT_EQ(shell("systemctl kill -s KILL serin-action@api.service"), 0);
  last = outcome();
  EXPECT_EQ(last.answer, HelperAnswer::done) << last.text;
  EXPECT_EQ(last.command, drill(2).id);
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(host.selected(), "v2");
}

TEST_F(VerbsTest, TheDeadManPutsAFailedUnitBack) {
  confirm("v1");
  outlive_patience();
  write_text(host.root() / "dies-v2", "");
  shell("systemctl restart api.service");
  ASSERT_TRUE(eventually([] { return shell("systemctl -q is-failed api.service") == 0; }));
  const auto accepted = hint();
  ASSERT_EQ(accepted.answer, HelperAnswer::accepted) << accepted.text;
  const auto last = outcome();
  EXPECT_EQ(last.answer, HelperAnswer::done) << last.text;
  EXPECT_EQ(last.task, HelperTask::dead_man);
  EXPECT_NE(last.steps.front().reason.find("its unit failed"), std::string::npos)
      << last.steps.front().reason;
  EXPECT_EQ(host.running(), "v1");
}

TEST_F(VerbsTest, TheDeadManPutsASickUnitBack) {
  confirm("v1");
  outlive_patience();
  write_text(host.root() / "sick-v2", "");
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  const auto last = outcome();
  EXPECT_EQ(last.answer, HelperAnswer::done) << last.text;
  EXPECT_EQ(host.running(), "v1");
}

TEST_F(VerbsTest, TheDeadManLeavesAUnitThatSomebodyStopped) {
  confirm("v1");
  outlive_patience();
  ASSERT_EQ(shell("systemctl stop api.service"), 0);
  ASSERT_EQ(hint().answer, HelperAnswer::accepted);
  ASSERT_TRUE(eventually([] { return status().answer == HelperAnswer::ok; }));
  EXPECT_EQ(host.selected(), "v2");
  EXPECT_EQ(host.running(), "");
}

}  // namespace
}  // namespace serin::helper

int main(int argc, char** argv) {
  if (::getenv("SERIN_BOOTED_HOST") == nullptr) {
    fmt::print("needs a host that booted with systemd: booted_host {}\n", argv[0]);
    return 77;
  }
  ::setenv("TMPDIR", "/srv", 1);  // the helper has a /tmp of its own
  static_cast<void>(!std::system("groupadd -fr serin"));
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
