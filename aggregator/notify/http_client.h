#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"

namespace serin::aggregator {

/// POSTs on the loop: libcurl's multi interface behind uv_poll and one uv_timer. Never blocks;
/// names are resolved on threads of libcurl. Redirects are not followed, no proxy is used, answers
/// are read and thrown away.
class HttpClient {
 public:
  struct Post {
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    unsigned timeout_ms = 10'000;
  };
  struct Outcome {
    long status = 0;                   ///< 0: no answer
    std::string error;                 ///< why there was none
    uint32_t retry_after_seconds = 0;  ///< the receiver's wish, 0 = none
  };
  using Done = std::function<void(const Outcome&)>;

  static Result<std::unique_ptr<HttpClient>> start(uv_loop_t* loop);
  /// Transfers under way end without their `done` being called.
  ~HttpClient();

  /// `done` is called on the loop, never from inside post().
  void post(Post request, Done done);
  [[nodiscard]] size_t in_flight() const;

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace serin::aggregator
