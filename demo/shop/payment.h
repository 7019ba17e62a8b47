#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "demo/shop/counters.h"
#include "demo/shop/release.h"

namespace shop {

struct Charge {
  enum class Outcome { paid, declined, failed };
  Outcome outcome = Outcome::failed;
  std::string receipt;  ///< when paid
};

struct PartnerAddress {
  std::string host = "127.0.0.1";
  int port = 0;
  int timeout_ms = 800;
  std::string client;  ///< who calls, by which the partner counts
};

/// The payment partner, over HTTP with kept connections. Thread-safe; a call blocks for at most
/// twice the time-out, unless the release waits for more than an answer.
class Payment {
 public:
  /// `counters`, which must outlive it, hear of every order that was charged again.
  Payment(PartnerAddress partner, const Traits& traits, const Counters* counters = nullptr);
  ~Payment();
  Payment(const Payment&) = delete;
  Payment& operator=(const Payment&) = delete;

  /// Throws what a release cannot read.
  Charge charge(int64_t customer, int64_t cents);

 private:
  struct Handle;
  struct Answer {
    long status = 0;  ///< 0: none
    std::string text;
  };
  /// How often one order was charged, as the books will say.
  using Charged = std::shared_ptr<std::atomic<int>>;
  std::unique_ptr<Handle> take();
  void give_back(std::unique_ptr<Handle> handle);
  Answer ask(std::string_view path, int64_t customer, int64_t cents, long timeout_ms);
  Answer ask_charge(int64_t customer, int64_t cents, const Charged& charged);
  Answer ask_hedged(int64_t customer, int64_t cents, const Charged& charged);
  Charge confirmed(Charge charge, int64_t customer, int64_t cents);

  const PartnerAddress partner_;
  const Traits traits_;
  const Counters* counters_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
  std::vector<std::future<Answer>> stragglers_;  ///< hedged calls that came second
};

}  // namespace shop
