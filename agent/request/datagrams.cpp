#include "agent/request/datagrams.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace serin::agent {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<Address> udp_address(const std::string& listen) {
  size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return fail(listen + ": is neither a path nor ADDRESS:PORT");
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  uint16_t port = 0;
  const char* end = listen.data() + listen.size();
  if (std::from_chars(listen.data() + colon + 1, end, port).ptr != end)
    return fail(listen + ": is not a port");
  Address address;
  auto* four = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    address.size = sizeof(*four);
  } else if (::inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    address.size = sizeof(*six);
  } else {
    return fail(listen + ": is not a numeric address");
  }
  return address;
}

Result<Address> unix_address(const std::string& path) {
  Address address;
  auto* unix = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.size() >= sizeof(unix->sun_path)) return fail(path + ": too long for a socket");
  unix->sun_family = AF_UNIX;
  std::memcpy(unix->sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

/// A socket that an earlier agent left behind would stand in the way.
void remove_old_socket(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(path.c_str());
}

}  // namespace

Result<std::unique_ptr<DatagramSocket>> DatagramSocket::open(uv_loop_t* loop,
                                                             const std::string& listen,
                                                             OnDatagram on_datagram) {
  bool is_unix = listen.starts_with('/');
  auto address = is_unix ? unix_address(listen) : udp_address(listen);
  if (!address) return std::unexpected(address.error());
  UniqueFd fd(::socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(fmt::format("{}: no socket: {}", listen, errno_text(errno)));
  int bytes = kBufferBytes;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  if (is_unix) remove_old_socket(listen);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address->storage), address->size) != 0)
    return fail(fmt::format("cannot listen on {}: {}", listen, errno_text(errno)));
  // Who may send is decided by who may enter the folder: a log's writer is any user.
  if (is_unix && ::chmod(listen.c_str(), 0666) != 0)
    return fail(fmt::format("{}: {}", listen, errno_text(errno)));
  std::unique_ptr<DatagramSocket> made(
      new DatagramSocket(std::move(fd), is_unix ? listen : "", std::move(on_datagram)));
  auto poll = UvPoll::make(loop, made->fd_.get(), [socket = made.get()](int status, int) {
    if (status == 0) socket->drain();
  });
  if (!poll) return std::unexpected(poll.error());
  made->poll_.push_back(std::move(*poll));
  made->poll_.back().start(UV_READABLE);
  return made;
}

DatagramSocket::~DatagramSocket() {
  poll_.clear();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void DatagramSocket::drain() {
  for (size_t total = 0; total < kMostPerTurn;) {
    size_t got = read_batch();
    total += got;
    if (got < kBatch) break;
  }
}

size_t DatagramSocket::read_batch() {
  buffer_.resize(kBatch * kMostBytes);
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  for (size_t i = 0; i < kBatch; ++i) {
    parts[i] = {.iov_base = buffer_.data() + i * kMostBytes, .iov_len = kMostBytes};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  int got = ::recvmmsg(fd_.get(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < got; ++i) {
    const auto& message = messages[static_cast<size_t>(i)];
    ++received_;
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      ++oversized_;
      continue;
    }
    on_datagram_({buffer_.data() + static_cast<size_t>(i) * kMostBytes, message.msg_len});
  }
  return got > 0 ? static_cast<size_t>(got) : 0;
}

uint64_t DatagramSocket::kernel_drops() const {
  std::array<uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &size) != 0) return 0;
  return info[SK_MEMINFO_DROPS];
}

uint16_t DatagramSocket::port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET)
    return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  return 0;
}

Datagrams::Subscription::~Subscription() {
  if (shared_) shared_->readers.erase(reader_);
}

DatagramSocket& Datagrams::Subscription::socket() const {
  return *shared_->socket;
}

Result<Datagrams::Subscription> Datagrams::subscribe(const std::string& listen,
                                                     DatagramSocket::OnDatagram reader) {
  auto shared = sockets_[listen].lock();
  if (!shared) {
    shared = std::make_shared<Subscription::Shared>();
    auto socket = DatagramSocket::open(loop_, listen,
                                       [readers = &shared->readers](std::string_view datagram) {
                                         for (auto& each : *readers) each(datagram);
                                       });
    if (!socket) return std::unexpected(socket.error());
    shared->socket = std::move(*socket);
    sockets_[listen] = shared;
  }
  auto place = shared->readers.insert(shared->readers.end(), std::move(reader));
  return Subscription(std::move(shared), place);
}

}  // namespace serin::agent
