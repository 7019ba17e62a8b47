// One demo host as it is in the demo: the real programs, real traffic, a deploy and a restart.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <functional>
#include <thread>

#include "demo/load/runner.h"
#include "demo/supervisor/verbs.h"

namespace shop {
namespace {

namespace fs = std::filesystem;

fs::path bin() { return fs::path(std::getenv("SERIN_BIN")); }

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // between two looks
  }
  return true;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  return ntohs(address.sin_port);
}

pid_t start(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  EXPECT_EQ(posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ), 0);
  return pid;
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

size_t count(const std::string& text, std::string_view what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

class DemoHost : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/shop-test-XXXXXX";
    host_.root = mkdtemp(name);
    for (const char* folder : {"run", "logs", "data"}) fs::create_directories(host_.root / folder);
    const pid_t init = start({bin() / "shop", "--init", host_.root / "data", "3"});
    int status = 0;
    waitpid(init, &status, 0);
    ASSERT_EQ(status, 0);
    for (const char* release : {"good-1", "null-field", "crash-loop"}) add_release(release);
    port_ = free_port();
    std::ofstream(host_.config()) << fmt::format(
        "port = {}\npartner_port = 1\ndata = {}/data\norders = {}/orders.db\naccess_log = {}/logs/access.log\n", port_,
        host_.root.string(), host_.root.string(), host_.root.string());
    switch_to("good-1");
    supervisor_ = start({bin() / "shop-supervisor", "run", host_.root});
    ASSERT_TRUE(eventually([this] { return answers(); }));
  }

  void TearDown() override {
    if (supervisor_ > 0) {
      kill(supervisor_, SIGTERM);
      waitpid(supervisor_, nullptr, 0);
    }
    fs::remove_all(host_.root);
  }

  void add_release(const std::string& name) {
    const auto folder = host_.root / "releases" / name;
    fs::create_directories(folder);
    fs::create_hard_link(bin() / "shop", folder / "shop", error_);
    if (error_) fs::copy_file(bin() / "shop", folder / "shop");
    std::ofstream(folder / "behaviour") << name << '\n';
  }

  void switch_to(const std::string& name) {
    fs::create_symlink("releases/" + name, host_.root / "new");
    fs::rename(host_.root / "new", host_.root / "current");
  }

  /// Whether somebody accepts on the host's port.
  bool answers() const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return connected;
  }

  /// What the customers write down in a second and a half.
  std::string traffic() {
    std::FILE* account = std::tmpfile();
    Report report(account, {"web"});
    Traffic traffic({.requests_per_second = 300, .hosts = 1, .customers = 2000}, 1);
    const std::atomic<bool> never = false;
    run_load({.targets = {{"web", port_}}, .seconds = 1.5}, traffic, report, never);
    std::string text(static_cast<size_t>(std::ftell(account)), '\0');
    std::rewind(account);
    EXPECT_EQ(std::fread(text.data(), 1, text.size(), account), text.size());
    std::fclose(account);
    return text;
  }

  HostFolder host_;
  int port_ = 0;
  pid_t supervisor_ = 0;
  std::error_code error_;
};

TEST_F(DemoHost, EveryAnsweredRequestIsALineOfTheLog) {
  const auto account = traffic();
  EXPECT_NE(account.find(R"("first_of":"good-1")"), std::string::npos) << account;
  const auto ok = static_cast<size_t>(std::stol(account.substr(account.rfind(R"("ok":)") + 5)));
  EXPECT_GT(ok, 100U);
  EXPECT_EQ(count(account, R"("failed":"refused")"), 0U) << account;
  EXPECT_TRUE(eventually([&] { return count(text_of(host_.root / "logs/access.log"), "\" 200 ") >= ok; }));
}

TEST_F(DemoHost, ADeployOfNullFieldBringsServerErrors) {
  switch_to("null-field");
  ASSERT_TRUE(ask_restart(host_));
  ASSERT_TRUE(eventually([this] { return answers(); }));
  const auto account = traffic();
  EXPECT_GT(count(account, R"("failed":"server_error","status":500,"release":"null-field")"), 1U) << account;
}

TEST_F(DemoHost, AReleaseThatDoesNotStartIsTriedAgainAndCanBePutBack) {
  switch_to("crash-loop");
  ASSERT_TRUE(ask_restart(host_));  // as with systemd: to have started is no proof of anything
  ASSERT_TRUE(eventually([this] { return count(text_of(host_.journal()), R"("release":"crash-loop","pid")") >= 4; }));
  EXPECT_GE(count(text_of(host_.journal()), R"("code":78)"), 1U);
  switch_to("good-1");
  ASSERT_TRUE(ask_restart(host_));
  EXPECT_TRUE(eventually([this] { return answers(); }));
}

TEST_F(DemoHost, AKilledShopComesBackAndThePidFileFollows) {
  const auto before = text_of(host_.pid_file());
  ASSERT_EQ(kill(static_cast<pid_t>(std::stol(before)), SIGKILL), 0);
  EXPECT_TRUE(eventually([&] {
    const auto now = text_of(host_.pid_file());
    return !now.empty() && now != before;
  }));
  EXPECT_TRUE(eventually([this] { return answers(); }));
}

TEST_F(DemoHost, ARestartIsOverSoon) {
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(ask_restart(host_));
  ASSERT_TRUE(eventually([this] { return answers(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));  // generous: sanitizers, busy machines
}

}  // namespace
}  // namespace shop
