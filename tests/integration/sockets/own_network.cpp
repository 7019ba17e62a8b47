#include "tests/integration/sockets/own_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/probe/cgroup_probe.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

sockaddr_in6 address_of(const char* text, uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  ::inet_pton(AF_INET6, text, &address.sin6_addr);
  return address;
}

template <typename Address>
const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

void put_into(const fs::path& folder) {
  UniqueFd file(::open((folder / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (auto put = write_all(file.get(), std::to_string(::getpid()), "cgroup.procs"); !put)
    fmt::print(stderr, "{}\n", put.error().message);
}

}  // namespace

Result<void> enter_own_network() {
  if (::unshare(CLONE_NEWNET) != 0) return fail("no network of its own: " + errno_text(errno));
  UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP;
  if (::ioctl(any.get(), SIOCSIFFLAGS, &loopback) != 0) return fail("lo: " + errno_text(errno));
  // What is sent there comes back as a packet for somebody else, and is dropped.
  char device[] = "lo";
  rtentry route{};
  route.rt_dev = device;
  route.rt_flags = RTF_UP;
  auto set = [](sockaddr& place, const char* text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, text, &address.sin_addr);
    std::memcpy(&place, &address, sizeof address);
  };
  set(route.rt_dst, "192.0.2.0");
  set(route.rt_genmask, "255.255.255.0");
  if (::ioctl(any.get(), SIOCADDRT, &route) != 0) return fail("route: " + errno_text(errno));
  return {};
}

Result<OwnGroup> OwnGroup::make() {
  for (const auto& root : CgroupRoots::of_this_machine().folders) {
    struct statfs mounted{};
    if (::statfs(root.c_str(), &mounted) != 0 || mounted.f_type != CGROUP2_SUPER_MAGIC) continue;
    fs::path folder = root / fmt::format("serin-sockets-test-{}", ::getpid());
    std::error_code error;
    if (!fs::create_directory(folder, error)) return fail(folder.string() + ": " + error.message());
    return OwnGroup(std::move(folder));
  }
  return fail("no control groups of version 2 here");
}

OwnGroup::~OwnGroup() {
  if (folder_.empty()) return;
  leave();
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(error)) ::rmdir(it->path().c_str());
  ::rmdir(folder_.c_str());
}

void OwnGroup::enter() const {
  put_into(folder_);
}

void OwnGroup::enter_below(const std::string& name) const {
  std::error_code error;
  fs::create_directory(folder_ / name, error);
  put_into(folder_ / name);
}

void OwnGroup::leave() const {
  put_into(folder_.parent_path());
}

UniqueFd Listener::accept() const {
  return UniqueFd(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

Listener listen_on(const char* address, int backlog) {
  Listener listener{.fd = UniqueFd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                    .address = address_of(address, 0)};
  socklen_t size = sizeof listener.address;
  if (::bind(listener.fd.get(), generic(listener.address), size) != 0 ||
      ::listen(listener.fd.get(), backlog) != 0)
    fmt::print(stderr, "cannot listen on {}: {}\n", address, errno_text(errno));
  ::getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&listener.address), &size);
  return listener;
}

UniqueFd begin_connect(const char* address, uint16_t port) {
  UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto to = address_of(address, port);
  if (::connect(fd.get(), generic(to), sizeof to) != 0 && errno != EINPROGRESS)
    fmt::print(stderr, "cannot connect to {}: {}\n", address, errno_text(errno));
  return fd;
}

UniqueFd connect_to(const Listener& listener) {
  UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  constexpr int kMostMs = 5000;
  if (::connect(fd.get(), generic(listener.address), sizeof listener.address) != 0) {
    pollfd ready{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    ::poll(&ready, 1, kMostMs);
  }
  return fd;
}

}  // namespace serin::agent
