#include "agent/live/top.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "agent/live/live_screen.h"
#include "common/file.h"

namespace serin::agent {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostLineBytes = size_t{1} << 20;  // far above a message of 64 KiB, as text
constexpr size_t kColumns = 100;
constexpr const char* kClear = "\033[H\033[2J\033[3J";

Result<UniqueFd> connect_to(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof(address.sun_path))
    return fail(path.string() + " is longer than the path of a socket may be");
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd && ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0)
    return fd;
  const int error = errno;
  const char* hint = error == EACCES
                         ? "only root and the agent's group may listen: run it as root"
                         : "does the agent run (systemctl status serin-agent), with this "
                           "configuration ([agent] live_socket)?";
  return fail(fmt::format("cannot listen to the agent at {}: {}; {}", path.string(),
                          errno_text(error), hint));
}

size_t columns() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20;
  return known ? size.ws_col : kColumns;
}

/// Takes lines from the socket and shows them when it is time to.
class Top {
 public:
  Top(UniqueFd fd, const TopOptions& options)
      : fd_(std::move(fd)), show_(options.show), terminal_(::isatty(STDOUT_FILENO) == 1) {}

  Result<void> run() {
    const auto start = Clock::now();
    next_ = start + std::chrono::seconds(1);
    while (!done_) {
      if (auto read = wait(); !read) return read;
      const auto now = Clock::now();
      if (show_ == TopOptions::Show::once) {
        if (now - start > std::chrono::seconds(TopOptions::kFirstLookSeconds)) show();
      } else if (show_ == TopOptions::Show::redrawn && now >= next_) {
        next_ = now + std::chrono::seconds(1);
        show();
      }
    }
    return {};
  }

 private:
  /// Reads what is there; comes back at the next time to show something.
  Result<void> wait() {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next_ - Clock::now());
    pollfd wanted{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int ready =
        ::poll(&wanted, 1, static_cast<int>(std::clamp<int64_t>(left.count(), 10, 1000)));
    if (ready <= 0) return {};
    std::array<char, 65536> part;
    const ssize_t got = ::read(fd_.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) return {};
    if (got <= 0) return fail("the agent has ended, or hung up on a listener that was too slow");
    text_.append(part.data(), static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end; (end = text_.find('\n', begin)) != std::string::npos; begin = end + 1)
      take(std::string_view(text_).substr(begin, end - begin));
    text_.erase(0, begin);
    if (text_.size() > kMostLineBytes) return fail("what listens there is no agent");
    return {};
  }

  void take(std::string_view line) {
    if (show_ == TopOptions::Show::lines) {
      put(std::string(line) + "\n");
      return;
    }
    screen_.take(line);
    // The host's own heartbeat ends a round of samples.
    if (show_ == TopOptions::Show::once && line.find("\"self\"") != std::string_view::npos) show();
  }

  void show() {
    std::string text = screen_.is_empty() ? "nothing was sent yet\n" : screen_.render(columns());
    if (show_ == TopOptions::Show::once) {
      done_ = true;
      return put(text);
    }
    put(terminal_ ? kClear + text : text + "\n");
  }

  void put(const std::string& text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0) done_ = true;
  }

  UniqueFd fd_;
  TopOptions::Show show_;
  bool terminal_, done_ = false;
  std::string text_;
  LiveScreen screen_;
  Clock::time_point next_;
};

}  // namespace

Result<void> run_top(const std::filesystem::path& socket, const TopOptions& options) {
  auto fd = connect_to(socket);
  if (!fd) return std::unexpected(fd.error());
  return Top(std::move(*fd), options).run();
}

}  // namespace serin::agent
