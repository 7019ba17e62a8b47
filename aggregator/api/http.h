#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace serin::aggregator {

/// One HTTP request, complete. Header values are those that the API looks at; empty when absent.
struct HttpRequest {
  std::string method;
  std::string target;  ///< as it came: escaped, with its query
  std::string authorization, idempotency_key, host;
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Once, on the loop, now or later. An answer to a client that has gone is dropped.
using Reply = std::function<void(HttpResponse)>;
using HttpHandler = std::function<void(const HttpRequest&, Reply)>;

}  // namespace serin::aggregator
