// A service for tests: `service ROOT PORT`. Its version is the folder that it lies in. Writes
// ROOT/pid, adds a line to ROOT/starts, answers every HTTP request with 200, or with 503 where
// ROOT/sick-<version> is there, and does not live at all where ROOT/dies-<version> is. Ends when
// ROOT is gone, so that no test leaves it behind.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace fs = std::filesystem;

namespace {

void answer(int listening, bool sick) {
  const int fd = ::accept(listening, nullptr, nullptr);
  if (fd < 0) return;
  char request[4096];
  static_cast<void>(!::read(fd, request, sizeof(request)));
  const std::string reply = sick ? "HTTP/1.0 503 Sick\r\nContent-Length: 0\r\n\r\n"
                                 : "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
  static_cast<void>(!::write(fd, reply.data(), reply.size()));
  ::close(fd);
}

int listen_at(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return -1;
  return ::listen(fd, 64) == 0 ? fd : -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const fs::path root = argv[1];
  const auto version = fs::read_symlink("/proc/self/exe").parent_path().filename().native();
  std::ofstream(root / "starts", std::ios::app)
      << version << " " + std::to_string(::getpid()) + "\n";
  if (fs::exists(root / ("dies-" + version))) return 1;
  std::ofstream(root / "pid.new") << ::getpid() << "\n";
  fs::rename(root / "pid.new", root / "pid");
  const int listening = listen_at(std::atoi(argv[2]));
  if (listening < 0) return 3;
  while (fs::exists(root / "pid")) {
    pollfd ready{listening, POLLIN, 0};
    if (::poll(&ready, 1, 200) > 0) answer(listening, fs::exists(root / ("sick-" + version)));
  }
  return 0;
}
