#include "tests/integration/rollback/helper_process.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>

#include "agent/rollback/process.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

std::filesystem::path program() {
  const char* folder = std::getenv("SERIN_BIN");
  // Started by hand it lies beside us: build/<preset>/tests and build/<preset>/bin.
  return folder != nullptr
             ? std::filesystem::path(folder) / "serin-rollback"
             : std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() /
                   "bin/serin-rollback";
}

}  // namespace

pid_t start_helper(const TestHost& host, const std::vector<std::string>& words,
                   const std::function<void()>& in_child) {
  auto all = words;
  all.insert(all.begin(), "serin-rollback");
  const auto settings = arguments_of(host.settings);
  all.insert(all.end(), settings.begin(), settings.end());
  std::vector<char*> argv;
  for (auto& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto file = program();
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (in_child) in_child();
    ::execv(file.c_str(), argv.data());
    ::_exit(127);
  }
  return pid;
}

int run_helper(const TestHost& host, const std::vector<std::string>& words) {
  int status = 0;
  ::waitpid(start_helper(host, words), &status, 0);
  return WEXITSTATUS(status);
}

void HelperProcess::start() {
  pid_ = start_helper(host_, {"--listen", socket().native()});
  const auto question =
      wire::encode(HelperRequest{.verb = HelperVerb::status, .service = "api", .command = {}});
  SERIN_VERIFY(eventually([&] { return talk(socket(), question).has_value(); }));
}

void HelperProcess::end() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::vector<pid_t> actions_of(const TestHost& host) {
  std::vector<pid_t> found;
  for (const auto& process : all_processes("/proc")) {
    const auto words = read_text("/proc/" + std::to_string(process.pid) + "/cmdline");
    const bool ours = words.find(host.settings.state.native()) != std::string::npos;
    if (ours && words.find(std::string("--run\0", 6)) != std::string::npos) {
      found.push_back(process.pid);
    }
  }
  return found;
}

Result<HelperReply> talk(const std::filesystem::path& socket, const Bytes& packet) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof(address.sun_path) - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return fail("connect: " + errno_text(errno));
  }
  if (!packet.empty()) {
    static_cast<void>(!::send(fd.get(), packet.data(), packet.size(), MSG_NOSIGNAL));
  }
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  std::vector<uint8_t> reply(wire::kMaxCommandBytes);
  const ssize_t size = ::recv(fd.get(), reply.data(), reply.size(), 0);
  if (size <= 0) return fail("recv: " + errno_text(errno));
  return wire::decode_helper_reply({reply.data(), static_cast<size_t>(size)});
}

bool turn_until(UvLoop& loop, const std::function<bool()>& condition, double seconds) {
  bool late = false;
  UvTimer deadline(loop.get(), [&] { late = true; });
  deadline.start(static_cast<uint64_t>(seconds * 1000));
  UvTimer tick(loop.get(), [] {});
  tick.start(10, 10);
  while (!late && !condition()) loop.run_once();
  return condition();
}

}  // namespace serin::helper
