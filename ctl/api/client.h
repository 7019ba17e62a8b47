#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "ctl/exit_status.h"
#include "ctl/settings.h"

namespace serin::ctl {

/// Why there is no answer, in words for a person, and what the program ends with because of it.
struct Refusal {
  Exit exit = Exit::failed;
  std::string message;
  /// Nobody was there, or somebody was not ready: the same again may succeed.
  [[nodiscard]] bool may_pass() const { return exit == Exit::not_yet; }
};
template <typename T>
using Answer = std::expected<T, Refusal>;

/// The aggregator's REST API, one request at a time. Never follows a redirect: the token is for the
/// address that was named.
class ApiClient {
 public:
  explicit ApiClient(Settings settings);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  /// `path` begins with /api/v1. The body of a 200 answer.
  Answer<std::string> get(const std::string& path);
  /// The body of a 202 answer. The key lets the aggregator recognise the same request sent again.
  Answer<std::string> post(const std::string& path, const std::string& body,
                           const std::string& idempotency_key);

  [[nodiscard]] const std::string& url() const { return settings_.api; }

 private:
  struct Transfer;
  Answer<std::string> perform(const std::string& path, const std::string* body,
                              const std::string& idempotency_key);

  Settings settings_;
  std::unique_ptr<Transfer> transfer_;
};

/// One part of a path or a query value: everything but letters, digits and -._~ as %XX.
std::string url_part(std::string_view text);

}  // namespace serin::ctl
