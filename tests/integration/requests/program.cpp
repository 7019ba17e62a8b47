#include "tests/integration/requests/program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace serin::agent {
namespace {

constexpr int kLineMs = 20'000;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Program::Program(std::vector<std::string> argv) {
  std::array<int, 2> in{}, out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
  std::vector<char*> words;
  for (auto& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  in_.reset(in[1]);
  out_.reset(out[0]);
  ::fcntl(out_.get(), F_SETFL, O_NONBLOCK);
}

Program::Program(Program&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      in_(std::move(other.in_)),
      out_(std::move(other.out_)),
      text_(std::move(other.text_)),
      ended_(other.ended_) {}

Program::~Program() {
  if (pid_ <= 0) return;
  // Its workers end with it when it is asked; they would not if it was killed.
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 50; ++i) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) return;
    ::poll(nullptr, 0, 20);
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Program::signal(int number) const {
  ::kill(pid_, number);
}

void Program::write_line() const {
  [[maybe_unused]] ssize_t written = ::write(in_.get(), "\n", 1);
}

std::optional<std::string> Program::line() {
  std::array<char, 65536> buffer;
  while (true) {
    ssize_t got = ::read(out_.get(), buffer.data(), buffer.size());
    if (got == 0) ended_ = true;
    if (got <= 0) break;
    text_.append(buffer.data(), static_cast<size_t>(got));
  }
  size_t end = text_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string found = text_.substr(0, end);
  text_.erase(0, end + 1);
  return found;
}

std::string Program::wait_for_line() {
  for (int waited = 0; waited < kLineMs; waited += 100) {
    if (auto found = line()) return *found;
    if (ended_) break;
    pollfd readable{.fd = out_.get(), .events = POLLIN, .revents = 0};
    ::poll(&readable, 1, 100);
  }
  return {};
}

std::string installed(const std::string& name) {
  for (auto folder : {"/usr/sbin/", "/usr/bin/"})
    if (std::filesystem::exists(folder + name)) return folder + name;
  return {};
}

uint16_t free_port() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return 0;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

bool wait_for_port(uint16_t port) {
  for (int i = 0; i < 500; ++i) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(port);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0)
      return true;
    ::poll(nullptr, 0, 20);
  }
  return false;
}

}  // namespace serin::agent
