#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>

#include "common/error.h"

namespace shop {

/// Tells a statsd what the shop sold and charged: a datagram each, lost where nobody listens.
/// Thread-safe.
class Counters {
 public:
  /// `address`: "127.0.0.1:8125"; empty: nobody is told.
  static serin::Result<Counters> to(const std::string& address);
  Counters(Counters&& other) noexcept;
  Counters& operator=(Counters&&) = delete;
  ~Counters();
  void add(std::string_view name) const;

 private:
  Counters() = default;
  int fd_ = -1;
  sockaddr_in address_{};
};

}  // namespace shop
