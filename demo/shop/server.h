#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/error.h"
#include "demo/shop/pages.h"

struct MHD_Daemon;

namespace shop {

/// What the server tells of a request once its answer has left (or the client has gone: status
/// 499).
struct Served {
  std::string remote, request_line;
  unsigned status = 0;
  uint64_t body_bytes = 0;
  double seconds = 0;
};

/// HTTP/1.1 with a thread per connection, since pages wait for the database and for the partner.
class Server {
 public:
  struct Options {
    int port = 0;         ///< 0 takes a free one
    std::string address = "127.0.0.1";
    std::string release;  ///< goes out as the header Shop-Release
  };
  using Handler = std::function<Response(const Request&)>;
  using OnServed = std::function<void(const Served&)>;  ///< from many threads

  static serin::Result<std::unique_ptr<Server>> start(const Options& options, Handler handler,
                                                      OnServed on_served);
  ~Server();
  int port() const { return port_; }
  /// Accepts nothing more and waits for the answers under way, at most `patience`. True when none
  /// is left.
  bool drain(std::chrono::milliseconds patience);

  struct State;

 private:
  Server() = default;
  std::unique_ptr<State> state_;
  MHD_Daemon* daemon_ = nullptr;
  int port_ = 0;
};

}  // namespace shop
