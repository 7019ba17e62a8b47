#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "agent/rollback/server.h"

namespace serin::helper {
namespace {

constexpr int kBacklog = 64;
constexpr int kFirstHandedOver = 3;  // sd_listen_fds(3)

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof(address.sun_path)) {
    return fail(fmt::format("socket {}: longer than the {} bytes that a socket's path may have",
                            path.native(), sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

/// Removes a socket whose helper is gone.
Result<void> clear_stale(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) != 0 && errno == ENOENT) return {};
  if (!S_ISSOCK(facts.st_mode))
    return fail(fmt::format("{} is in the way: it is no socket", path.native()));
  const UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail("socket: " + errno_text(errno));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const bool answered =
      ::connect(probe.get(), generic, sizeof(address)) == 0 || errno != ECONNREFUSED;
  if (answered) return fail(fmt::format("another helper listens at {}", path.native()));
  ::unlink(path.c_str());
  return {};
}

void give_to_group(const std::filesystem::path& path) {
  if (::geteuid() != 0) return;
  const struct group* serin = ::getgrnam("serin");
  if (serin != nullptr) static_cast<void>(!::chown(path.c_str(), 0, serin->gr_gid));
}

bool environment_number(const char* name, long& value) {
  const char* text = std::getenv(name);
  if (text == nullptr) return false;
  const auto [stop, fault] = std::from_chars(text, text + std::strlen(text), value);
  return fault == std::errc() && *stop == '\0';
}

}  // namespace

Result<UniqueFd> listen_at(const std::filesystem::path& path) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  // The agent, which is another user, must get through to the socket.
  if (auto made = make_folders(path.parent_path(), 0755); !made)
    return std::unexpected(made.error());
  if (auto clear = clear_stale(path, *address); !clear) return std::unexpected(clear.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t before = ::umask(0117);
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  const int bound = fd ? ::bind(fd.get(), generic, sizeof(*address)) : -1;
  const int error = errno;
  ::umask(before);
  if (bound != 0)
    return fail(fmt::format("cannot listen at {}: {}", path.native(), errno_text(error)));
  give_to_group(path);
  if (::listen(fd.get(), kBacklog) != 0) {
    return fail(fmt::format("cannot listen at {}: {}", path.native(), errno_text(errno)));
  }
  return fd;
}

std::optional<UniqueFd> handed_over_socket() {
  long pid = 0;
  long count = 0;
  const bool ours = environment_number("LISTEN_PID", pid) && pid == ::getpid() &&
                    environment_number("LISTEN_FDS", count) && count >= 1;
  if (!ours) return std::nullopt;
  ::fcntl(kFirstHandedOver, F_SETFD, FD_CLOEXEC);
  ::fcntl(kFirstHandedOver, F_SETFL, O_NONBLOCK);
  return UniqueFd(kFirstHandedOver);
}

}  // namespace serin::helper
