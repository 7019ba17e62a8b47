#include "demo/shop/payment.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace shop {
namespace {

constexpr size_t kMostAnswer = 4096;  // the partner's answers are some tens of bytes
constexpr auto kHedgeAfter = std::chrono::milliseconds(60);
constexpr long kConfirmationMs = 30'000;
constexpr long kMostPauseMs = 500;  // a partner that asks for more is as good as down
constexpr std::string_view kRetryIn = "busy retry_in_ms=";    // production
constexpr std::string_view kRetryAfter = "busy retry_after=";  // staging's sandbox

size_t collect(char* data, size_t size, size_t count, void* into) {
  auto& text = *static_cast<std::string*>(into);
  if (text.size() + size * count > kMostAnswer) return 0;  // ends the transfer as failed
  text.append(data, size * count);
  return size * count;
}

/// How long a degraded partner asks us to wait; 0 = it does not.
long pause_of(std::string_view answer, std::string_view word) {
  const auto at = answer.find(word);
  if (at == std::string_view::npos) return 0;
  long ms = 0;
  const auto* from = answer.data() + at + word.size();
  std::from_chars(from, answer.data() + answer.size(), ms);
  return ms;
}

}  // namespace

struct Payment::Handle {
  CURL* curl = curl_easy_init();
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }
};

Payment::Payment(PartnerAddress partner, const Traits& traits, const Counters* counters)
    : partner_(std::move(partner)), traits_(traits), counters_(counters) {}
Payment::~Payment() {
  stragglers_.clear();  // waits for them, while the handles are still there
}

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

Payment::Answer Payment::ask(std::string_view path, int64_t customer, int64_t cents, long timeout_ms) {
  auto handle = take();
  const std::string url = fmt::format("http://{}:{}{}", partner_.host, partner_.port, path);
  const std::string body =
      fmt::format("client={}&customer={}&cents={}", partner_.client, customer, cents);
  Answer answer;
  CURL* curl = handle->curl;
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.text);
  const CURLcode code = curl_easy_perform(curl);
  if (code == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  give_back(std::move(handle));
  return answer;
}

Payment::Answer Payment::ask_charge(int64_t customer, int64_t cents, const Charged& charged) {
  Answer answer = ask("/charge", customer, cents, partner_.timeout_ms);
  if (answer.status == 200 && ++*charged == 2 && counters_) counters_->add("charged_again");
  return answer;
}

// The bug: nothing tells the partner that both are the same order, and both are carried out.
Payment::Answer Payment::ask_hedged(int64_t customer, int64_t cents,
                                   const Charged& charged) {
  const auto call = [this, customer, cents, charged] {
    return ask_charge(customer, cents, charged);
  };
  auto first = std::async(std::launch::async, call);
  if (first.wait_for(kHedgeAfter) == std::future_status::ready) return first.get();
  auto second = std::async(std::launch::async, call);
  while (first.wait_for(std::chrono::milliseconds(2)) != std::future_status::ready &&
         second.wait_for(std::chrono::milliseconds(2)) != std::future_status::ready) {
  }
  if (first.wait_for(std::chrono::seconds(0)) != std::future_status::ready) std::swap(first, second);
  const Answer answer = first.get();
  if (second.valid()) {
    const std::lock_guard lock(mutex_);
    std::erase_if(stragglers_, [](const auto& call_under_way) {
      return call_under_way.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
    stragglers_.push_back(std::move(second));
  }
  return answer;
}

// The bug: a person at the partner's looks at large payments, and nobody in staging pays as much.
Charge Payment::confirmed(Charge charge, int64_t customer, int64_t cents) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (ask("/confirmation", customer, cents, kConfirmationMs).status == 200) return charge;
  }
  return {};
}

Charge Payment::charge(int64_t customer, int64_t cents) {
  if (traits_.asks_for_quotes &&
      ask("/quote", customer, cents, partner_.timeout_ms).status != 200) {
    return {};
  }
  const auto charged = std::make_shared<std::atomic<int>>(0);
  Answer answer = traits_.hedges_charges ? ask_hedged(customer, cents, charged)
                                         : ask_charge(customer, cents, charged);
  if (answer.status == 503 && answer.text.starts_with("busy")) {
    const long pause =
        pause_of(answer.text, traits_.expects_staging_errors ? kRetryAfter : kRetryIn);
    if (pause <= 0) throw std::runtime_error("the partner's answer cannot be read");
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(pause, kMostPauseMs)));
    answer = ask_charge(customer, cents, charged);
  }
  if (answer.status == 402) return {.outcome = Charge::Outcome::declined, .receipt = {}};
  if (answer.status != 200) return {};
  Charge paid{.outcome = Charge::Outcome::paid, .receipt = answer.text};
  return traits_.awaits_confirmations ? confirmed(std::move(paid), customer, cents) : paid;
}

}  // namespace shop
