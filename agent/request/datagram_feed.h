#pragma once

#include <optional>
#include <string>

#include "agent/request/datagrams.h"

namespace serin::agent {

/// One source's view of a socket: opens it, again with every drain() where that fails, and knows
/// what was lost on the way.
class DatagramFeed {
 public:
  DatagramFeed(Datagrams& datagrams, std::string listen)
      : datagrams_(datagrams), listen_(std::move(listen)) {}

  void open(DatagramSocket::OnDatagram reader);
  /// Hands over what has come in by now, and notes what was lost since the last drain.
  void drain();

  /// Was nothing lost between the last two drains?
  [[nodiscard]] bool is_complete() const { return problem_.empty(); }
  /// Datagrams dropped by the kernel, or too long.
  [[nodiscard]] uint64_t lost() const { return lost_; }
  /// What is wrong at the moment; empty when all is well.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  Datagrams& datagrams_;
  std::string listen_;
  DatagramSocket::OnDatagram reader_;
  std::optional<Datagrams::Subscription> subscription_;
  uint64_t lost_ = 0;
  std::string problem_;
};

}  // namespace serin::agent
