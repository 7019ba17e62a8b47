#pragma once

#include <uv.h>

#include <functional>
#include <optional>
#include <string>

#include "agent/request/http_response.h"
#include "common/file.h"
#include "common/loop.h"
#include "common/service_file.h"

namespace serin::agent {

/// One GET over a connection of its own, on the loop and never blocking. Only plain HTTP/1.1 to a
/// numeric address: what is scraped runs on this host. Destroying it gives up.
class HttpGet {
 public:
  struct Handlers {
    std::function<void(std::string_view)> on_body;
    /// Once, at the end; holds the content type. Not called from within start().
    std::function<void(Result<std::string>)> on_done;
  };

  HttpGet(uv_loop_t* loop, ScrapeUrl url, std::string accept, Handlers handlers,
          AnswerWanted wanted = {});

  /// Gives up after `timeout_ms`.
  void start(uint64_t timeout_ms);
  /// Its head, from on_done on.
  [[nodiscard]] const HttpResponse& response() const { return response_; }

 private:
  Result<void> connect();
  void ready(int status, int events);
  Result<bool> send_on();
  Result<bool> read_on();
  void done(Result<void> outcome);

  uv_loop_t* loop_;
  ScrapeUrl url_;
  Handlers handlers_;
  HttpResponse response_;
  std::string request_;  ///< what is left to send
  UniqueFd fd_;
  std::optional<UvPoll> poll_;
  UvTimer timer_;
  std::string failure_;  ///< of the connect, told by the loop
  bool late_ = false;
};

}  // namespace serin::agent
