#include "agent/rollback/health.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <memory>

namespace serin::helper {
namespace {

constexpr size_t kMostBodyBytes = size_t{64} * 1024;  // an endless body must not hold the action up

size_t swallow(char* /*data*/, size_t size, size_t count, void* taken) {
  auto& total = *static_cast<size_t*>(taken);
  total += size * count;
  return total <= kMostBodyBytes ? size * count : 0;
}

}  // namespace

Result<void> check_health(const std::string& url, int64_t timeout_us) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   curl_easy_cleanup);
  if (ready != CURLE_OK || !handle) return fail("libcurl cannot be set up");
  CURL* curl = handle.get();
  size_t taken = 0;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "serin-rollback/" SERIN_VERSION);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::max<int64_t>(timeout_us / 1000, 1)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &taken);
  const CURLcode outcome = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const bool cut = outcome == CURLE_WRITE_ERROR && taken > kMostBodyBytes;
  if (outcome != CURLE_OK && !cut)
    return fail(fmt::format("{}: {}", url, curl_easy_strerror(outcome)));
  if (status < 200 || status > 299) return fail(fmt::format("{} answered {}", url, status));
  return {};
}

}  // namespace serin::helper
