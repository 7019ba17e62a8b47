#include "aggregator/notify/http_client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "common/loop.h"

namespace serin::aggregator {

namespace {

constexpr size_t kMostAnswerBytes = 64 * 1024;  // a receiver that streams for ever is cut off
constexpr long kMostConnectionsPerHost = 2;
constexpr curl_off_t kMostRetryAfterSeconds = 3600;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

struct Transfer {
  std::unique_ptr<CURL, FreeEasy> easy;
  std::unique_ptr<curl_slist, FreeList> headers;
  std::string body;
  HttpClient::Done done;
  size_t answer_bytes = 0;
  char error[CURL_ERROR_SIZE] = {};
};

size_t discard(char*, size_t size, size_t count, void* transfer) {
  auto& seen = static_cast<Transfer*>(transfer)->answer_bytes;
  seen += size * count;
  return seen > kMostAnswerBytes ? 0 : size * count;
}

}  // namespace

struct HttpClient::Impl {
  explicit Impl(uv_loop_t* on) : loop(on), timer(on, [this] { act(CURL_SOCKET_TIMEOUT, 0); }) {}
  ~Impl() {
    for (auto& [easy, transfer] : transfers) curl_multi_remove_handle(multi.get(), easy);
    transfers.clear();
  }

  void act(curl_socket_t socket, int events) {
    int running = 0;
    curl_multi_socket_action(multi.get(), socket, events, &running);
    collect();
  }

  void collect() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      const CURLcode code = message->data.result;  // the message dies with the handle
      auto node = transfers.extract(easy);
      curl_multi_remove_handle(multi.get(), easy);
      Transfer& transfer = *node.mapped();
      transfer.done(outcome_of(transfer, code));
    }
  }

  static Outcome outcome_of(const Transfer& transfer, CURLcode code) {
    Outcome outcome;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &outcome.status);
    // An answer that is cut off because it is too long has been given nevertheless.
    const bool cut_off = code == CURLE_WRITE_ERROR && transfer.answer_bytes > kMostAnswerBytes;
    if (code != CURLE_OK && !cut_off) {
      outcome.status = 0;
      outcome.error = transfer.error[0] != '\0' ? transfer.error : curl_easy_strerror(code);
    }
    curl_off_t wait = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RETRY_AFTER, &wait);
    outcome.retry_after_seconds =
        static_cast<uint32_t>(std::clamp<curl_off_t>(wait, 0, kMostRetryAfterSeconds));
    return outcome;
  }

  static int on_socket(CURL*, curl_socket_t socket, int what, void* self_pointer, void*) {
    auto* self = static_cast<Impl*>(self_pointer);
    if (what == CURL_POLL_REMOVE) {
      self->polls.erase(socket);
      return 0;
    }
    auto poll = self->polls.find(socket);
    if (poll == self->polls.end()) {
      auto made = UvPoll::make(self->loop, socket, [self, socket](int status, int events) {
        self->on_poll(socket, status, events);
      });
      if (!made) return -1;  // curl ends the transfer with an error
      poll = self->polls.emplace(socket, std::move(*made)).first;
    }
    poll->second.start((what & CURL_POLL_IN ? UV_READABLE : 0) |
                       (what & CURL_POLL_OUT ? UV_WRITABLE : 0));
    return 0;
  }

  void on_poll(curl_socket_t socket, int status, int events) {
    const int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                      (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    act(socket, status < 0 ? CURL_CSELECT_ERR : flags);
  }

  static int on_timer(CURLM*, long after_ms, void* self_pointer) {
    auto* self = static_cast<Impl*>(self_pointer);
    if (after_ms < 0)
      self->timer.stop();
    else
      self->timer.start(static_cast<uint64_t>(after_ms));
    return 0;
  }

  uv_loop_t* loop;
  UvTimer timer;
  std::map<curl_socket_t, UvPoll> polls;
  std::unique_ptr<CURLM, FreeMulti> multi;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers;
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::start(uv_loop_t* loop) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global != CURLE_OK)
    return fail(fmt::format("libcurl does not start: {}", curl_easy_strerror(global)));
  auto impl = std::make_unique<Impl>(loop);
  impl->multi.reset(curl_multi_init());
  if (!impl->multi) return fail("libcurl does not start: no multi handle");
  CURLM* multi = impl->multi.get();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, impl.get());
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, impl.get());
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, kMostConnectionsPerHost);
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

void HttpClient::post(Post request, Done done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->easy.reset(curl_easy_init());
  SERIN_VERIFY(transfer->easy != nullptr);
  transfer->body = std::move(request.body);
  transfer->done = std::move(done);
  curl_slist* list = nullptr;
  for (const auto& [key, value] : request.headers) {
    list = curl_slist_append(list, fmt::format("{}: {}", key, value).c_str());
  }
  transfer->headers.reset(curl_slist_append(list, "Expect:"));  // no round trip before small bodies
  CURL* easy = transfer->easy.get();
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(transfer->body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.get());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "serin/" SERIN_VERSION);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &discard);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  impl_->transfers[easy] = std::move(transfer);
  curl_multi_add_handle(impl_->multi.get(),
                        easy);  // arms the timer: the transfer begins in the loop's next turn
}

size_t HttpClient::in_flight() const {
  return impl_->transfers.size();
}

}  // namespace serin::aggregator
