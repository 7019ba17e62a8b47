#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace shop {

struct Charge {
  enum class Outcome { paid, declined, failed };
  Outcome outcome = Outcome::failed;
  std::string receipt;  ///< when paid
};

/// The payment partner, over HTTP with kept connections. Thread-safe; a call blocks for at most the
/// time-out.
class Payment {
 public:
  Payment(int port, int timeout_ms);
  ~Payment();
  Payment(const Payment&) = delete;
  Payment& operator=(const Payment&) = delete;

  Charge charge(int64_t customer, int64_t cents);

 private:
  struct Handle;
  std::unique_ptr<Handle> take();
  void give_back(std::unique_ptr<Handle> handle);

  int port_, timeout_ms_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
};

}  // namespace shop
