#pragma once

#include <uv.h>

#include <cstdint>
#include <map>
#include <memory>

#include "aggregator/api/http.h"
#include "aggregator/api/listen.h"
#include "common/error.h"

namespace serin::aggregator {

/// HTTP/1.1 on the loop: libmicrohttpd without a thread of its own, its epoll descriptor watched by
/// libuv. While an answer is waited for, the connection is suspended and costs nothing.
class HttpServer {
 public:
  static constexpr size_t kConnectionBytes =
      16 * 1024;  ///< head of a request; longer ones are refused (431)
  static constexpr size_t kMostBodyBytes = 16 * 1024;  ///< an act with its reason is below 2 KiB
  static constexpr size_t kMostDiscarded =
      1024 * 1024;  ///< of a body that is too long, before the line is cut
  static constexpr unsigned kMostConnections = 512;
  static constexpr unsigned kIdleSeconds = 30;

  static Result<std::unique_ptr<HttpServer>> start(uv_loop_t* loop, Listener listener,
                                                   HttpHandler handler);
  /// Requests under way are answered 503.
  ~HttpServer();

  [[nodiscard]] uint16_t port() const;
  /// Answers by status.
  [[nodiscard]] const std::map<int, uint64_t>& answers() const;
  [[nodiscard]] unsigned connections() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace serin::aggregator
