#include "demo/shop/counters.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace shop {
namespace {

TEST(ShopCounters, ADatagramForEachCount) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  const auto counters = Counters::to(fmt::format("127.0.0.1:{}", ntohs(address.sin_port)));
  ASSERT_TRUE(counters) << counters.error().message;
  counters->add("orders");
  char text[100];
  const ssize_t size = recv(fd, text, sizeof text, MSG_DONTWAIT);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string_view(text, static_cast<size_t>(size)), "shop.orders:1|c");
  close(fd);
}

TEST(ShopCounters, NobodyIsToldWithoutAnAddress) {
  const auto counters = Counters::to("");
  ASSERT_TRUE(counters);
  counters->add("orders");
}

TEST(ShopCounters, AnAddressThatIsNoneIsAnError) {
  for (const char* bad : {"127.0.0.1", "127.0.0.1:", "localhost:8125", "127.0.0.1:70000"}) {
    EXPECT_FALSE(Counters::to(bad)) << bad;
  }
}

}  // namespace
}  // namespace shop
