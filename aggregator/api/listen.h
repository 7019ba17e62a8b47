#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/file.h"

namespace serin::aggregator {

/// Where the API listens: "127.0.0.1:8420", "[::1]:8420", "localhost:8420". Numbers only beside
/// localhost: a name could come to mean another interface.
struct ListenAddress {
  std::string host = "127.0.0.1";
  uint16_t port = 8420;
  [[nodiscard]] bool loopback() const;
  [[nodiscard]] std::string text() const;
};
Result<ListenAddress> parse_listen(std::string_view text);

struct Listener {
  UniqueFd socket;
  uint16_t port = 0;  ///< the one that was given, for port 0
};
Result<Listener> listen_on(const ListenAddress& address);

}  // namespace serin::aggregator
