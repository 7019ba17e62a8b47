#include "demo/shop/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "demo/shop/release.h"

namespace shop {
namespace {

class ShopFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/shop-test-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  std::filesystem::path folder_;
};

using ShopConfig = ShopFolder;
using ShopRelease = ShopFolder;

TEST_F(ShopConfig, ProductionsConfigurationIsRead) {
  write("shop.conf", "# a comment\nport = 8081\npartner_port=9000\ndata = /d\norders = /o\naccess_log = /l\n");
  const auto config = load_config(folder_ / "shop.conf");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->port, 8081);
  EXPECT_EQ(config->partner_port, 9000);
  EXPECT_EQ(config->payment_timeout, "800ms");
}

TEST_F(ShopConfig, OneOfManyHostsSaysWhoItIsAndWhereThePartnerIs) {
  write("shop.conf", "port = 8080\npartner_host = 10.0.0.1\nclient = web-07\nstatsd = 127.0.0.1:8125\ndata = /d\naccess_log = /l\n");
  const auto config = load_config(folder_ / "shop.conf");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->partner_host, "10.0.0.1");
  EXPECT_EQ(config->client, "web-07");
  EXPECT_EQ(config->statsd, "127.0.0.1:8125");
}

TEST_F(ShopConfig, AHostWithoutANameIsKnownByItsPort) {
  write("shop.conf", "port = 8081\ndata = /d\naccess_log = /l\n");
  EXPECT_EQ(load_config(folder_ / "shop.conf").value().client, "shop-8081");
}

TEST_F(ShopConfig, AMistakeNamesItsLine) {
  write("shop.conf", "port = 8081\nprot = 1\n");
  const auto config = load_config(folder_ / "shop.conf");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find(":2: unknown key 'prot'"), std::string::npos) << config.error().message;
}

TEST(ShopTimeouts, HaveAUnit) {
  EXPECT_EQ(milliseconds_of("800ms").value(), 800);
  EXPECT_EQ(milliseconds_of("2s").value(), 2000);
  for (const char* bad : {"", "800", "ms", "-1ms", "8 s", "1h"}) EXPECT_FALSE(milliseconds_of(bad)) << bad;
}

TEST_F(ShopRelease, AFolderListsWhatItsReleaseDoesWrong) {
  write("behaviour", "null-field  # twice wrong\nslow-query\n");
  const auto release = load_release(folder_);
  ASSERT_TRUE(release) << release.error().message;
  EXPECT_TRUE(release->traits.needs_loyalty_tier);
  EXPECT_TRUE(release->traits.scans_orders);
  EXPECT_FALSE(release->traits.timeout_in_seconds);
}

TEST_F(ShopRelease, AnUnknownBehaviourIsAnError) {
  write("behaviour", "null-feild\n");
  EXPECT_FALSE(load_release(folder_));
}

}  // namespace
}  // namespace shop
