#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "agent/rollback/client.h"
#include "agent/rollback/server.h"
#include "schema/wire.h"
#include "tests/integration/rollback/helper_process.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

Bytes status_request() {
  return wire::encode(HelperRequest{.verb = HelperVerb::status, .service = "api", .command = {}});
}

class SocketTest : public testing::Test {
 protected:
  SocketTest() : process(host) {}
  TestHost host;
  HelperProcess process;
};

TEST_F(SocketTest, ItsFolderIsMadeSoThatTheAgentGetsThrough) {
  const auto path = host.root() / "run" / "serin" / "rollback.sock";
  const auto listening = listen_at(path);
  ASSERT_TRUE(listening.has_value()) << listening.error().message;
  EXPECT_EQ(static_cast<unsigned>(fs::status(path.parent_path()).permissions()), 0755U);
}

TEST_F(SocketTest, ASilentClientDelaysNobodyAndIsToldAfterASecond) {
  process.start();
  const pid_t silent = ::fork();
  if (silent == 0) {
    const auto reply = talk(process.socket(), {});
    ::_exit(reply && reply->refusal == Refusal::bad_request ? 0 : 1);
  }
  for (int i = 0; i < 20; ++i) {
    const auto reply = talk(process.socket(), status_request());
    ASSERT_TRUE(reply.has_value()) << reply.error().message;
    EXPECT_EQ(reply->answer, HelperAnswer::ok);
  }
  EXPECT_EQ(::waitpid(silent, nullptr, WNOHANG), 0) << "twenty answers took less than its second";
  int status = 0;
  ::waitpid(silent, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SocketTest, AnOversizedOrGarbledPacketIsRefusedAndTheNextIsServed) {
  process.start();
  auto reply = talk(process.socket(), Bytes(wire::kMaxCommandBytes + 1, 0));
  ASSERT_TRUE(reply.has_value()) << reply.error().message;
  EXPECT_EQ(reply->refusal, Refusal::bad_request);
  EXPECT_NE(reply->text.find("longer than 16 KiB"), std::string::npos) << reply->text;
  reply = talk(process.socket(), Bytes(64, 0xff));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->answer, HelperAnswer::refused);
  EXPECT_EQ(talk(process.socket(), status_request())->answer, HelperAnswer::ok);
}

TEST_F(SocketTest, AStrangerIsRefusedWhateverTheSocketsModeAllows) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a second user";
  process.start();
  ::chmod(process.socket().c_str(), 0666);
  const pid_t stranger = ::fork();
  if (stranger == 0) {
    if (::setuid(65534) != 0) ::_exit(2);
    const auto reply = talk(process.socket(), status_request());
    ::_exit(reply && reply->refusal == Refusal::peer ? 0 : 1);
  }
  int status = 0;
  ::waitpid(stranger, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SocketTest, OneHelperASocketAndAStaleOneIsReplaced) {
  process.start();
  EXPECT_EQ(run_helper(host, {"--listen", process.socket().native()}), 1);
  struct stat facts{};
  ASSERT_EQ(::stat(process.socket().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0660U);
  process.end();
  EXPECT_TRUE(fs::exists(process.socket())) << "kill -9 leaves it behind";
  process.start();
}

TEST_F(SocketTest, WhatIsNoSocketIsNotRemoved) {
  write_text(process.socket(), "precious");
  EXPECT_EQ(run_helper(host, {"--listen", process.socket().native()}), 1);
  EXPECT_EQ(read_text(process.socket()), "precious");
}

TEST_F(SocketTest, TwoCommandsAtOnceAreOneActionAndOneRefusal) {
  host.start("v2");
  process.start();
  const auto send = [&](int ordinal) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      const auto reply =
          talk(process.socket(), host.execute_request(host.command("v2", "v1", ordinal)));
      if (!reply) ::_exit(9);
      ::_exit(reply->answer == HelperAnswer::accepted ? 1
              : reply->refusal == Refusal::busy       ? 2
                                                      : 3);
    }
    return pid;
  };
  const pid_t one = send(0);
  const pid_t two = send(1);
  int first = 0;
  int second = 0;
  ::waitpid(one, &first, 0);
  ::waitpid(two, &second, 0);
  EXPECT_EQ(WEXITSTATUS(first) + WEXITSTATUS(second), 3);
  EXPECT_TRUE(eventually([&] { return host.status().answer == HelperAnswer::done; }));
  EXPECT_EQ(host.starts_of("v1"), 1);
}

TEST_F(SocketTest, ResumeFinishesWhatAPowerCutInterrupted) {
  host.start("v2");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  EXPECT_EQ(run_helper(host, {"--resume"}), 0);
  EXPECT_EQ(host.status().answer, HelperAnswer::done);
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(run_helper(host, {"--resume"}), 0) << "nothing is left to do";
  EXPECT_EQ(host.starts_of("v1"), 1);
}

TEST_F(SocketTest, SystemdsSocketIsServedAndTheActionIsAUnit) {
  host.start("v2");
  host.settings.systemctl = host.root() / "systemctl";
  write_text(host.settings.systemctl,
             "#!/bin/sh\necho \"$*\" >> " + (host.root() / "calls").native() + "\n", 0755);
  auto listening = listen_at(process.socket());
  ASSERT_TRUE(listening.has_value()) << listening.error().message;
  const pid_t pid = start_helper(host, {}, [&] {
    ::dup2(listening->get(), 3);
    ::fcntl(3, F_SETFD, 0);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  });
  const auto reply = talk(process.socket(), host.execute_request(host.command()));
  ASSERT_TRUE(reply.has_value()) << reply.error().message;
  EXPECT_EQ(reply->answer, HelperAnswer::accepted) << reply->text;
  EXPECT_EQ(read_text(host.root() / "calls"), "--no-block start serin-action@api.service\n");
  ::kill(pid, SIGTERM);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SocketTest, WrongUsageIsToldWithStatus64) {
  EXPECT_EQ(run_helper(host, {"--lisen", "/x"}), 64);
  EXPECT_EQ(run_helper(host, {"--run", "../x"}), 64);
  const auto config = host.root() / "rollback.toml";
  write_text(config, "servces = \"/etc/serin/services.d\"\n");
  EXPECT_EQ(run_helper(host, {"--config", config.native(), "--resume"}), 64);
  write_text(config, "state = \"/nowhere\"\n");
  EXPECT_EQ(run_helper(host, {"--config", config.native(), "--resume"}), 0)
      << "the command line wins";
  ::chmod(config.c_str(), 0666);
  EXPECT_EQ(run_helper(host, {"--config", config.native(), "--resume"}), 64);
}

/// Something that listens where the helper should.
class Impostor {
 public:
  explicit Impostor(const fs::path& path) : fd_(std::move(*listen_at(path))) {}
  void answer(const Bytes& bytes) const {
    const UniqueFd peer(take());
    static_cast<void>(!::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  [[nodiscard]] UniqueFd take() const {
    UniqueFd peer;
    eventually([&] {
      peer.reset(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      return static_cast<bool>(peer);
    });
    char request[1024];
    static_cast<void>(!::recv(peer.get(), request, sizeof(request), 0));
    return peer;
  }

 private:
  UniqueFd fd_;
};

TEST_F(SocketTest, AClientMakesAnErrorOfEveryBadAnswer) {
  UvLoop loop;
  const Impostor impostor(process.socket());
  agent::HelperClient client(loop.get(), process.socket());
  std::vector<std::string> outcomes;
  const auto ask = [&] {
    client.call({.verb = HelperVerb::status, .service = "api", .command = {}},
                [&](Result<HelperReply> reply) {
                  outcomes.push_back(reply ? "answered" : reply.error().message);
                });
  };
  const auto told = [&](std::string_view what) {
    const size_t before = outcomes.size();
    EXPECT_TRUE(turn_until(loop, [&] { return outcomes.size() > before; }));
    EXPECT_NE(outcomes.back().find(what), std::string::npos) << outcomes.back();
  };
  ask();
  impostor.answer(Bytes(50, 1));
  told("helper reply");
  ask();
  impostor.take().reset();
  told("hung up");
  ask();
  impostor.answer(Bytes(wire::kMaxCommandBytes + 1, 1));
  told("longer than 16 KiB");
  ask();
  const auto silent = impostor.take();
  told("no answer within 2 s");
  ask();
  impostor.answer(wire::encode(HelperReply{}));
  told("answered");
}

TEST_F(SocketTest, CallsThatOverlapAreAnsweredEachAndDroppedWithTheClient) {
  process.start();
  UvLoop loop;
  int answers = 0;
  {
    agent::HelperClient client(loop.get(), process.socket());
    for (int i = 0; i < 40; ++i) {
      client.call({.verb = HelperVerb::status, .service = "api", .command = {}},
                  [&](Result<HelperReply> reply) { answers += reply.has_value() ? 1 : 0; });
    }
    EXPECT_TRUE(turn_until(loop, [&] { return answers == 40; })) << answers;
    client.call({.verb = HelperVerb::status, .service = "api", .command = {}},
                [&](Result<HelperReply>) { answers = -1; });
  }
  loop.run();
  EXPECT_EQ(answers, 40);
}

}  // namespace
}  // namespace serin::helper
