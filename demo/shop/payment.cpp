#include "demo/shop/payment.h"

#include <curl/curl.h>
#include <fmt/core.h>

namespace shop {
namespace {

constexpr size_t kMostAnswer = 4096;  // the partner's answers are some tens of bytes

size_t collect(char* data, size_t size, size_t count, void* into) {
  auto& text = *static_cast<std::string*>(into);
  if (text.size() + size * count > kMostAnswer) return 0;  // ends the transfer as failed
  text.append(data, size * count);
  return size * count;
}

}  // namespace

struct Payment::Handle {
  CURL* curl = curl_easy_init();
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }
};

Payment::Payment(int port, int timeout_ms) : port_(port), timeout_ms_(timeout_ms) {}
Payment::~Payment() = default;

std::unique_ptr<Payment::Handle> Payment::take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Handle>();
  auto handle = std::move(idle_.back());
  idle_.pop_back();
  return handle;
}

void Payment::give_back(std::unique_ptr<Handle> handle) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(handle));
}

Charge Payment::charge(int64_t customer, int64_t cents) {
  auto handle = take();
  const std::string url = fmt::format("http://127.0.0.1:{}/charge", port_);
  const std::string body = fmt::format("customer={}&cents={}", customer, cents);
  std::string answer;
  CURL* curl = handle->curl;
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms_));
  curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  give_back(std::move(handle));
  if (code != CURLE_OK) return {};
  if (status == 200) return {.outcome = Charge::Outcome::paid, .receipt = answer};
  if (status == 402) return {.outcome = Charge::Outcome::declined, .receipt = {}};
  return {};
}

}  // namespace shop
