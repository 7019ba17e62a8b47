#include "demo/shop/counters.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace shop {

serin::Result<Counters> Counters::to(const std::string& address) {
  Counters counters;
  if (address.empty()) return counters;
  const auto colon = address.find(':');
  const std::string host = address.substr(0, colon);
  uint16_t port = 0;
  if (colon != std::string::npos) {
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  }
  counters.address_.sin_family = AF_INET;
  counters.address_.sin_port = htons(port);
  if (port == 0 || inet_pton(AF_INET, host.c_str(), &counters.address_.sin_addr) != 1) {
    return serin::fail(fmt::format("statsd: '{}' is not ADDRESS:PORT", address));
  }
  counters.fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (counters.fd_ < 0) return serin::fail(fmt::format("statsd: {}", std::strerror(errno)));
  return counters;
}

Counters::Counters(Counters&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), address_(other.address_) {}

Counters::~Counters() {
  if (fd_ >= 0) close(fd_);
}

void Counters::add(std::string_view name) const {
  if (fd_ < 0) return;
  const std::string line = fmt::format("shop.{}:1|c", name);
  // A count that gets lost is not worth a customer's time.
  [[maybe_unused]] const auto sent =
      sendto(fd_, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address_), sizeof address_);
}

}  // namespace shop
