#include "tests/integration/nats_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace serin::test {
namespace {

constexpr auto kStartLimit = std::chrono::seconds(30);

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "nats-server fixture: {}\n", why);
  std::abort();
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  close(fd);
  if (!bound) give_up("no free port on the loopback");
  return ntohs(address.sin_port);
}

std::filesystem::path make_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "serin-nats-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) give_up("cannot make a directory like " + name);
  return name;
}

/// The server greets with `INFO {…}` once it serves.
bool greets(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  bool greeted = false;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    pollfd readable{fd, POLLIN, 0};
    char text[4] = {};
    greeted = poll(&readable, 1, 1000) == 1 && read(fd, text, sizeof text) == 4 &&
              std::string(text, 4) == "INFO";
  }
  close(fd);
  return greeted;
}

const char* server_binary() {
  const char* named = std::getenv("SERIN_NATS_SERVER");
  return named != nullptr ? named : "nats-server";
}

}  // namespace

NatsServer::NatsServer(Options options)
    : options_(std::move(options)), directory_(make_directory()), port_(free_port()) {
  if (options_.started) start();
}

NatsServer::~NatsServer() {
  if (running()) kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string NatsServer::url() const {
  return fmt::format("nats://127.0.0.1:{}", port_);
}

std::string NatsServer::url(const std::string& user, const std::string& password) const {
  return fmt::format("nats://{}:{}@127.0.0.1:{}", user, password, port_);
}

void NatsServer::write_config() const {
  std::ofstream file(directory_ / "nats.conf");
  file << fmt::format("listen: 127.0.0.1:{}\nlog_file: \"{}\"\n", port_,
                      (directory_ / "log").string());
  if (options_.jetstream) {
    file << fmt::format("jetstream {{ store_dir: \"{}\", max_file_store: {} }}\n",
                        (directory_ / "store").string(), options_.max_file_store);
  }
  file << options_.extra_config << "\n";
}

void NatsServer::start() {
  write_config();
  const std::string config = (directory_ / "nats.conf").string();
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) give_up("fork failed");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDOUT_FILENO);
    execlp(server_binary(), "nats-server", "-c", config.c_str(), nullptr);
    execl("/usr/sbin/nats-server", "nats-server", "-c", config.c_str(), nullptr);
    _exit(127);
  }
  wait_until_ready();
}

void NatsServer::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  while (!greets(port_)) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_)
      give_up("nats-server ended at its start:\n" + log());
    if (std::chrono::steady_clock::now() > deadline)
      give_up("nats-server does not serve:\n" + log());
    poll(nullptr, 0, 5);  // a pause between attempts, not a wait for a time
  }
}

void NatsServer::reap() {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) give_up("nats-server got lost");
  pid_ = -1;
}

void NatsServer::stop() {
  ::kill(pid_, SIGTERM);
  reap();
}

void NatsServer::kill() {
  ::kill(pid_, SIGKILL);
  reap();
}

void NatsServer::freeze() {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  if (waitpid(pid_, &status, WUNTRACED) != pid_ || !WIFSTOPPED(status))
    give_up("nats-server did not freeze");
}

void NatsServer::thaw() {
  ::kill(pid_, SIGCONT);
}

void NatsServer::empty_store() {
  if (running()) give_up("the store may only be emptied while the server is stopped");
  std::filesystem::remove_all(directory_ / "store");
}

std::string NatsServer::log() const {
  std::ostringstream text;
  text << std::ifstream(directory_ / "log").rdbuf();
  return text.str();
}

}  // namespace serin::test
