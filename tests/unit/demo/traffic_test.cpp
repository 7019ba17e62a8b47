#include "demo/load/traffic.h"

#include <gtest/gtest.h>

#include <map>

namespace shop {
namespace {

TEST(ShopTraffic, TheSameSeedGivesTheSameTraffic) {
  Traffic one({.hosts = 3}, 5), two({.hosts = 3}, 5), other({.hosts = 3}, 6);
  bool differs = false;
  for (int i = 0; i < 2000; ++i) {
    const Arrival a = one.next(), b = two.next(), c = other.next();
    ASSERT_EQ(a.at, b.at);
    ASSERT_EQ(a.path, b.path);
    ASSERT_EQ(a.host, b.host);
    differs = differs || a.path != c.path;
  }
  EXPECT_TRUE(differs);
}

TEST(ShopTraffic, RequestsComeInOrderAtTheRateAskedFor) {
  Traffic traffic({.requests_per_second = 40, .hosts = 6, .wave_seconds = 10}, 1);
  double last = 0;
  int count = 0;
  std::map<size_t, int> hosts;
  for (;; ++count) {
    const Arrival arrival = traffic.next();
    ASSERT_GE(arrival.at, last);
    last = arrival.at;
    if (arrival.at > 100) break;
    ++hosts[arrival.host];
  }
  EXPECT_NEAR(count, 40 * 6 * 100, 1500);
  ASSERT_EQ(hosts.size(), 6U);
  for (const auto& [host, requests] : hosts) EXPECT_NEAR(requests, 4000, 600) << host;
}

TEST(ShopTraffic, FewCustomersMakeMuchOfTheTraffic) {
  Traffic traffic({.hosts = 1}, 1);
  int pages = 0, of_large = 0;
  while (pages < 20000) {
    const Arrival arrival = traffic.next();
    if (!arrival.path.starts_with("/customer/")) continue;
    ++pages;
    if (std::stoi(arrival.path.substr(10)) <= 20) ++of_large;
  }
  EXPECT_GT(of_large, pages / 30);  // 1 % of the customers
  EXPECT_LT(of_large, pages / 8);
}

}  // namespace
}  // namespace shop
