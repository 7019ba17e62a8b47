#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <new>
#include <random>

#include "aggregator/core/fold.h"

// What a fold holds stops growing: counted by the allocator, so that nothing depends on time or on
// what the system gives back.

namespace {

size_t held = 0;  // bytes, by what the allocator set aside

void* take(size_t size) {
  void* const place = std::malloc(size);
  if (place == nullptr) throw std::bad_alloc();
  held += malloc_usable_size(place);
  return place;
}

void give_back(void* place) noexcept {
  if (place != nullptr) held -= malloc_usable_size(place);
  std::free(place);
}

}  // namespace

void* operator new(size_t size) { return take(size); }
void* operator new[](size_t size) { return take(size); }
void operator delete(void* place) noexcept { give_back(place); }
void operator delete[](void* place) noexcept { give_back(place); }
void operator delete(void* place, size_t) noexcept { give_back(place); }
void operator delete[](void* place, size_t) noexcept { give_back(place); }

namespace serin::core {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'000'000 * kSecond;
constexpr int kHosts = 20;

/// Twenty hosts with everything that samples can hold.
class Shop {
 public:
  Shop() {
    for (int host = 0; host < kHosts; ++host) start(host, "v0");
  }

  void second() {
    now_ += kSecond;
    for (int host = 0; host < kHosts; ++host) report(host);
    fold_.step({.seq = ++seq_, .stored_us = now_, .body = Control{.kind = ControlKind::clock}});
  }

  /// The next version, on `hosts` of them.
  void release(int hosts) {
    const std::string version = "v" + std::to_string(++releases_);
    for (int host = 0; host < hosts; ++host) start(host, version);
  }

  [[nodiscard]] const Fold& fold() const { return fold_; }

 private:
  Identity from(int host) {
    return {"web-" + std::to_string(host), "boot", 1, ++sequence_[static_cast<size_t>(host)]};
  }
  void start(int host, const std::string& version) {
    std::string& runs = runs_[static_cast<size_t>(host)];
    Event e;
    e.from = from(host);
    e.service = "api";
    e.previous = runs;
    e.version = e.generation = runs = version;
    started_[static_cast<size_t>(host)] = now_;
    fold_.step({.seq = ++seq_, .stored_us = now_, .body = std::move(e)});
  }
  void report(int host) {
    Sample s;
    s.from = from(host);
    s.service = "api";
    s.version = s.generation = runs_[static_cast<size_t>(host)];
    s.interval_us = kSecond;
    const int64_t ran = now_ - kSecond - started_[static_cast<size_t>(host)];
    s.process_age_us = static_cast<uint64_t>(std::max<int64_t>(ran, 0));
    s.process = {.cpu_seconds = .4, .rss_bytes = 200'000'000, .threads = 9, .fds = 60};
    RequestMetrics requests;
    for (int i = 0; i < 20; ++i) {
      requests.latency.record(.05 * std::exp(.6 * normal_(random_)));
    }
    requests.requests = requests.latency.total();
    requests.errors = std::binomial_distribution<uint64_t>(requests.requests, .01)(random_);
    s.counters = {{"orders", static_cast<double>(std::binomial_distribution<uint64_t>(
                                 requests.requests, .3)(random_))}};
    s.requests = std::move(requests);
    fold_.step({.seq = ++seq_, .stored_us = now_, .body = std::move(s)});
  }

  Fold fold_{PolicySet{}};
  int64_t now_ = kStart;
  uint64_t seq_ = 0;
  int releases_ = 0;
  std::array<std::string, kHosts> runs_;
  std::array<int64_t, kHosts> started_{};
  std::array<uint64_t, kHosts> sequence_{};
  std::mt19937_64 random_{11};
  std::normal_distribution<double> normal_;
};

TEST(Memory, IsTheSameAfterTenMinutesOfWatchesAndAfterForty) {
  Shop shop;
  for (int i = 0; i < 3600; ++i) shop.second();  // the hour of history that is kept
  size_t after_ten = 0, most = 0;
  for (int minute = 1; minute <= 40; ++minute) {
    if (minute % 5 == 1) shop.release(1);
    for (int i = 0; i < 60; ++i) shop.second();
    if (minute == 10) after_ten = held;
    if (minute > 10) most = std::max(most, held);
  }
  EXPECT_EQ(shop.fold().deploys().size(), 8U);
  // Six watches more than after ten minutes have ended; each of the last twenty keeps what people
  // look back at.
  constexpr double kLookBack = 6 * 60e3;
  EXPECT_LE(static_cast<double>(most), 1.02 * static_cast<double>(after_ten) + kLookBack);
}

}  // namespace
}  // namespace serin::core
