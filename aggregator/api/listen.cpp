#include "aggregator/api/listen.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include <cerrno>
#include <charconv>

namespace serin::aggregator {

namespace {

constexpr int kBacklog = 256;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<Address> socket_address(const ListenAddress& at) {
  Address address;
  if (uv_ip4_addr(at.host.c_str(), at.port, reinterpret_cast<sockaddr_in*>(&address.storage)) ==
      0) {
    address.size = sizeof(sockaddr_in);
    return address;
  }
  if (uv_ip6_addr(at.host.c_str(), at.port, reinterpret_cast<sockaddr_in6*>(&address.storage)) ==
      0) {
    address.size = sizeof(sockaddr_in6);
    return address;
  }
  return fail(fmt::format("\"{}\" is no IP address; write one, as in \"127.0.0.1:8420\"", at.host));
}

}  // namespace

bool ListenAddress::loopback() const {
  return host == "::1" || host.starts_with("127.");
}

std::string ListenAddress::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<ListenAddress> parse_listen(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail("must be ADDRESS:PORT, as in \"127.0.0.1:8420\"");
  const std::string_view port = text.substr(colon + 1);
  ListenAddress address;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || port.empty()) {
    return fail(fmt::format("\"{}\" is no port; it must be a number from 0 to 65535", port));
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  address.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  if (auto valid = socket_address(address); !valid) return std::unexpected(valid.error());
  return address;
}

Result<Listener> listen_on(const ListenAddress& at) {
  auto address = socket_address(at);
  if (!address) return std::unexpected(address.error());
  const auto failed = [&](const char* what) {
    return fail(fmt::format("cannot {} on {}: {}; set another [api] listen", what, at.text(),
                            errno_text(errno)));
  };
  Listener listener;
  auto* name = reinterpret_cast<sockaddr*>(&address->storage);
  listener.socket.reset(::socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.socket) return failed("open a socket");
  const int yes = 1;
  ::setsockopt(listener.socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes,
               sizeof yes);  // restart at once
  if (::bind(listener.socket.get(), name, address->size) != 0) return failed("listen");
  if (::listen(listener.socket.get(), kBacklog) != 0) return failed("listen");
  if (::getsockname(listener.socket.get(), name, &address->size) != 0) return failed("listen");
  listener.port =
      ntohs(name->sa_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(name)->sin6_port
                                        : reinterpret_cast<sockaddr_in*>(name)->sin_port);
  return listener;
}

}  // namespace serin::aggregator
