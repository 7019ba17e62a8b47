#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "demo/shop/store.h"

// What some releases carry along between requests, and should not: state that grows, expires or is
// held for too long.

namespace shop {

/// Every visit's session, never looked at again.
class Sessions {
 public:
  void remember(const std::string& path);

 private:
  static constexpr size_t kBytes = 16 * 1024;  // a basket, a history, a few rendered fragments
  std::mutex mutex_;
  std::vector<std::string> all_;
};

/// Tells the warehouse of an order: a datagram to a port where perhaps nobody listens.
class Warehouse {
 public:
  /// The socket stays open: that is what is wrong with it.
  void tell(int64_t customer);
};

/// The month's bestsellers, counted over all orders and kept for some seconds.
class Bestsellers {
 public:
  explicit Bestsellers(Pool& catalogue) : catalogue_(catalogue) {}
  /// Whoever comes while they are expired counts them, all at once.
  std::string html();

 private:
  static constexpr auto kKept = std::chrono::seconds(5);
  using Clock = std::chrono::steady_clock;
  Pool& catalogue_;
  std::mutex mutex_;
  std::string html_;
  std::optional<Clock::time_point> counted_;
};

/// Hashes a page many times over. The result is a header's worth of text.
std::string fingerprint(const std::string& page);

}  // namespace shop
