#include "ctl/api/client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <array>

#include "ctl/api/problem.h"

namespace serin::ctl {
namespace {

constexpr long kConnectMs = 3000;
constexpr long kWholeMs = 30'000;                      // an act is answered once it is stored
constexpr size_t kMostAnswerBytes = size_t{64} << 20;  // the hosts of a large fleet are a few MiB

struct Global {
  Global() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~Global() { curl_global_cleanup(); }
  Global(const Global&) = delete;
  Global& operator=(const Global&) = delete;
};

struct Headers {
  curl_slist* list = nullptr;
  Headers() = default;
  ~Headers() { curl_slist_free_all(list); }
  Headers(const Headers&) = delete;
  Headers& operator=(const Headers&) = delete;
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

size_t on_body(char* data, size_t, size_t size, void* into) {
  auto& body = *static_cast<std::string*>(into);
  if (body.size() + size > kMostAnswerBytes) return 0;  // ends the transfer
  body.append(data, size);
  return size;
}

}  // namespace

struct ApiClient::Transfer {
  Global global;
  CURL* curl = curl_easy_init();
  std::array<char, CURL_ERROR_SIZE> error{};

  Transfer() { SERIN_VERIFY(curl != nullptr); }
  ~Transfer() { curl_easy_cleanup(curl); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(curl, option, value);
  }

  void prepare(const std::string& url, const Headers& headers, std::string& into) {
    curl_easy_reset(curl);  // keeps the connection
    error.fill('\0');
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");  // a proxy must not stand between us and us
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
    set(CURLOPT_TIMEOUT_MS, kWholeMs);
    set(CURLOPT_USERAGENT, "serinctl/" SERIN_VERSION);
    set(CURLOPT_HTTPHEADER, headers.list);
    set(CURLOPT_ERRORBUFFER, error.data());
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&into));
  }
};

ApiClient::ApiClient(Settings settings)
    : settings_(std::move(settings)), transfer_(std::make_unique<Transfer>()) {}
ApiClient::~ApiClient() = default;

Answer<std::string> ApiClient::get(const std::string& path) {
  return perform(path, nullptr, {});
}

Answer<std::string> ApiClient::post(const std::string& path, const std::string& body,
                                    const std::string& idempotency_key) {
  return perform(path, &body, idempotency_key);
}

Answer<std::string> ApiClient::perform(const std::string& path, const std::string* body,
                                       const std::string& idempotency_key) {
  Headers headers;
  headers.add("Accept: application/json");
  if (!settings_.token.empty()) headers.add("Authorization: Bearer " + settings_.token);
  if (body != nullptr) {
    headers.add("Content-Type: application/json");
    headers.add("Expect:");  // no waiting for a 100
    headers.add("Idempotency-Key: " + idempotency_key);
  }
  std::string answer;
  transfer_->prepare(settings_.api + path, headers, answer);
  if (body != nullptr) {
    transfer_->set(CURLOPT_POSTFIELDS, body->c_str());
    transfer_->set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
  }
  const CURLcode code = curl_easy_perform(transfer_->curl);
  if (code != CURLE_OK) {
    const bool wrong_address = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
    const std::string why =
        transfer_->error[0] != '\0' ? transfer_->error.data() : curl_easy_strerror(code);
    return std::unexpected(
        Refusal{wrong_address ? Exit::usage : Exit::not_yet,
                fmt::format("no answer from the aggregator at {}: {} (is serin-aggregator running, "
                            "and is this its address? --api, SERIN_URL)",
                            settings_.api, why)});
  }
  long status = 0;
  curl_easy_getinfo(transfer_->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status == 200 || status == 202) return answer;
  return std::unexpected(refusal_from(status, answer, settings_.api));
}

std::string url_part(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace serin::ctl
