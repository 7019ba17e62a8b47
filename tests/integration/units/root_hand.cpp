#include "tests/integration/units/root_hand.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "common/error.h"

namespace serin::agent {
namespace {

constexpr size_t kMostBytes = 16384;
constexpr uid_t kNobody = 65534;
int to_root = -1;

[[noreturn]] void serve(int socket) {
  std::array<char, kMostBytes> command{};
  for (;;) {
    ssize_t got = ::recv(socket, command.data(), command.size() - 1, 0);
    if (got <= 0) ::_exit(0);
    command[static_cast<size_t>(got)] = '\0';
    int status = std::system(command.data());
    if (::send(socket, &status, sizeof status, 0) != sizeof status) ::_exit(1);
  }
}

}  // namespace

void RootHand::start() {
  int pair[2];
  SERIN_VERIFY(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
  pid_t pid = ::fork();
  SERIN_VERIFY(pid >= 0);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(pair[0]);
    serve(pair[1]);
  }
  ::close(pair[1]);
  to_root = pair[0];
  SERIN_VERIFY(::setgroups(0, nullptr) == 0);
  SERIN_VERIFY(::setgid(kNobody) == 0);
  SERIN_VERIFY(::setuid(kNobody) == 0);
}

int RootHand::run(const std::string& command) {
  SERIN_VERIFY(command.size() < kMostBytes);
  int status = -1;
  SERIN_VERIFY(::send(to_root, command.data(), command.size(), 0) > 0);
  SERIN_VERIFY(::recv(to_root, &status, sizeof status, 0) == sizeof status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace serin::agent
