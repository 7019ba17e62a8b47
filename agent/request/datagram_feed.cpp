#include "agent/request/datagram_feed.h"

#include <fmt/core.h>

namespace serin::agent {

void DatagramFeed::open(DatagramSocket::OnDatagram reader) {
  reader_ = std::move(reader);
  drain();
}

void DatagramFeed::drain() {
  if (!reader_) return;
  if (!subscription_) {
    auto subscription = datagrams_.subscribe(listen_, reader_);
    problem_ = subscription ? std::string{} : subscription.error().message;
    if (!subscription) return;
    subscription_.emplace(std::move(*subscription));
  }
  DatagramSocket& socket = subscription_->socket();
  socket.drain();
  uint64_t lost = socket.kernel_drops() + socket.oversized();
  problem_ = lost == lost_ ? std::string{}
                           : fmt::format(
                                 "{}: {} datagrams of the last interval were lost, as the "
                                 "socket's buffer was full or they exceed 16 KiB",
                                 listen_, lost - lost_);
  lost_ = lost;
}

}  // namespace serin::agent
