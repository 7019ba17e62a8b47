#include "demo/load/runner.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <unordered_map>

namespace shop {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostInFlight =
    4000;  // beyond: counted as time-outs unsent, so that a dead fleet cannot eat our memory
constexpr long kMostKept = 256;  // idle connections
constexpr long kMostNap = 100;   // ms until `stop` is looked at again

struct EndMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct EndEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr std::string_view kCheckout = "/checkout", kCustomer = "/customer/";

struct Flight {
  std::unique_ptr<CURL, EndEasy> easy;
  Outcome outcome;
  std::string page;  ///< its last bytes
  bool has_checkout = false;
};

/// Looks for the way to the checkout. A button cut in two by the network is found all the same: the
/// end of one piece is kept for the next.
size_t read_page(char* data, size_t size, size_t count, void* into) {
  auto& page = static_cast<Flight*>(into)->page;
  page.append(data, size * count);
  static_cast<Flight*>(into)->has_checkout |= page.find(kCheckout) != std::string::npos;
  if (page.size() > kCheckout.size()) page.erase(0, page.size() - kCheckout.size());
  return size * count;
}

size_t read_header(char* data, size_t size, size_t count, void* into) {
  constexpr std::string_view kName = "shop-release:";
  const std::string_view line(data, size * count);
  if (line.size() > kName.size() &&
      std::ranges::equal(line.substr(0, kName.size()), kName, {},
                         [](char c) { return static_cast<char>(std::tolower(c)); })) {
    auto value = line.substr(kName.size());
    while (!value.empty() && (value.front() == ' ')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n')) value.remove_suffix(1);
    static_cast<Outcome*>(into)->release = value;
  }
  return size * count;
}

Ending ending_of(CURLcode code, unsigned status) {
  if (code == CURLE_COULDNT_CONNECT) return Ending::refused;
  if (code == CURLE_OPERATION_TIMEDOUT) return Ending::timeout;
  if (code != CURLE_OK) return Ending::reset;
  if (status >= 500) return Ending::server_error;
  return status >= 400 ? Ending::client_error : Ending::ok;
}

class Runner {
 public:
  Runner(const RunOptions& options, Report& report)
      : options_(options),
        report_(report),
        multi_(curl_multi_init()),
        shows_checkout_(options.targets.size(), true) {
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kMostKept);
  }
  ~Runner() {
    for (auto& [easy, flight] : flights_) curl_multi_remove_handle(multi_.get(), easy);
  }

  size_t in_flight() const { return flights_.size(); }

  void send(const Arrival& arrival) {
    auto flight = std::make_unique<Flight>();
    flight->outcome = {.host = arrival.host,
                       .ending = Ending::timeout,
                       .status = 0,
                       .began = wall_seconds(),
                       .ended = wall_seconds(),
                       .release = {},
                       .path = arrival.path};
    if (arrival.path == kCheckout && !shows_checkout_[arrival.host]) {
      flight->outcome.ending = Ending::abandoned;
      return report_.add(flight->outcome);
    }
    if (flights_.size() >= kMostInFlight) return report_.add(flight->outcome);
    flight->easy.reset(take_easy());
    CURL* easy = flight->easy.get();
    const std::string url =
        fmt::format("http://127.0.0.1:{}{}", options_.targets[arrival.host].port, arrival.path);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, options_.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, read_page);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight.get());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, read_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &flight->outcome);
    if (!arrival.form.empty()) curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, arrival.form.c_str());
    curl_multi_add_handle(multi_.get(), easy);
    flights_.emplace(easy, std::move(flight));
  }

  /// Lets the transfers go on for at most `nap_ms`, and reports those that ended.
  void turn(int nap_ms) {
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    land();
    curl_multi_poll(multi_.get(), nullptr, 0, nap_ms, nullptr);
    curl_multi_perform(multi_.get(), &running);
    land();
  }

 private:
  CURL* take_easy() {
    if (spare_.empty()) return curl_easy_init();
    CURL* easy = spare_.back().release();
    spare_.pop_back();
    curl_easy_reset(easy);
    return easy;
  }

  void land() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      const CURLcode code = message->data.result;
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      curl_multi_remove_handle(multi_.get(), easy);
      auto at = flights_.find(easy);
      Flight& flight = *at->second;
      flight.outcome.ended = wall_seconds();
      flight.outcome.status = code == CURLE_OK ? static_cast<unsigned>(status) : 0;
      flight.outcome.ending = ending_of(code, flight.outcome.status);
      report_.add(flight.outcome);
      if (flight.outcome.status == 200 && flight.outcome.path.starts_with(kCustomer)) {
        shows_checkout_[flight.outcome.host] = flight.has_checkout;
      }
      spare_.push_back(std::move(flight.easy));
      flights_.erase(at);
    }
  }

  const RunOptions& options_;
  Report& report_;
  std::unique_ptr<CURLM, EndMulti> multi_;
  std::unordered_map<CURL*, std::unique_ptr<Flight>> flights_;
  std::vector<std::unique_ptr<CURL, EndEasy>> spare_;
  std::vector<bool> shows_checkout_;  ///< by host: whether its last customer's page did
};

}  // namespace

void run_load(const RunOptions& options, Traffic& traffic, Report& report,
              const std::atomic<bool>& stop) {
  Runner runner(options, report);
  const auto begin = Clock::now();
  const auto since = [begin] {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  Arrival next = traffic.next();
  double next_totals = 1.0;
  while (!stop && (options.seconds <= 0 || since() < options.seconds)) {
    while (next.at <= since()) {
      runner.send(next);
      next = traffic.next();
    }
    if (since() >= next_totals) {
      report.totals(wall_seconds(), runner.in_flight());
      next_totals += 1.0;
    }
    const double nap = std::min(next.at, next_totals) - since();
    runner.turn(
        static_cast<int>(std::clamp(std::ceil(nap * 1000), 0.0, static_cast<double>(kMostNap))));
  }
  report.totals(wall_seconds(), runner.in_flight());
}

}  // namespace shop
