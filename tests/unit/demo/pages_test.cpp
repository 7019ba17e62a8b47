#include "demo/shop/pages.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "demo/shop/data.h"

namespace shop {
namespace {

/// A small catalogue, whole enough to have large customers and legacy rows.
class ShopPages : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/shop-test-XXXXXX";
    folder_ = mkdtemp(name);
    const DataShape shape{.customers = 200, .large_customers = 2, .orders_of_large = 300, .median_orders = 5,
                          .legacy_share = 0.2};
    ASSERT_TRUE(write_data(folder_, 7, shape));
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  void serve(Traits traits) {
    release_ = {.name = "test", .behaviours = {}, .traits = traits};
    pool_ = std::move(Pool::open(folder_ / "shop.db").value());
    orders_ = std::move(Orders::open(folder_ / "orders.db").value());
    pages_ = std::make_unique<Pages>(release_, *pool_, *orders_, payment_);
  }

  /// Statuses of every customer's page; what a page throws the server turns into a 500.
  std::map<unsigned, int> all_customers() {
    std::map<unsigned, int> statuses;
    for (int id = 1; id <= 200; ++id) {
      try {
        ++statuses[pages_->answer({.method = "GET", .path = "/customer/" + std::to_string(id), .query = {}}).status];
      } catch (const std::exception&) {
        ++statuses[500];
      }
    }
    return statuses;
  }

  static inline std::filesystem::path folder_;
  Release release_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Orders> orders_;
  Payment payment_{1, 100};  // nobody answers on port 1
  std::unique_ptr<Pages> pages_;
};

TEST_F(ShopPages, AGoodReleaseShowsEveryCustomer) {
  serve({});
  EXPECT_EQ(all_customers(), (std::map<unsigned, int>{{200, 200}}));
}

TEST_F(ShopPages, NullFieldBreaksOnLegacyRowsOnly) {
  serve({.needs_loyalty_tier = true});
  auto statuses = all_customers();
  EXPECT_GT(statuses[500], 10);
  EXPECT_GT(statuses[200], 130);
}

TEST_F(ShopPages, SlowQueryAnswersTheSameStatus) {
  serve({.scans_orders = true});
  EXPECT_EQ(all_customers(), (std::map<unsigned, int>{{200, 200}}));
}

TEST_F(ShopPages, ASearchFindsNamesOutsideAscii) {
  serve({});
  const auto found = pages_->answer({.method = "GET", .path = "/search", .query = {{"q", "Bj"}}});
  EXPECT_EQ(found.status, 200U);
  EXPECT_NE(found.body.find("Björn"), std::string::npos) << found.body;
}

TEST_F(ShopPages, ACheckoutWithoutThePartnerFails) {
  serve({});
  const auto answer = pages_->answer({.method = "POST", .path = "/checkout", .query = {{"customer", "3"}, {"cents", "500"}}});
  EXPECT_EQ(answer.status, 502U);
}

TEST_F(ShopPages, NonsenseIsTheClientsFault) {
  serve({});
  EXPECT_EQ(pages_->answer({.method = "GET", .path = "/customer/x", .query = {}}).status, 404U);
  EXPECT_EQ(pages_->answer({.method = "GET", .path = "/customer/9999", .query = {}}).status, 404U);
  EXPECT_EQ(pages_->answer({.method = "GET", .path = "/search", .query = {}}).status, 400U);
  EXPECT_EQ(pages_->answer({.method = "GET", .path = "/checkout", .query = {}}).status, 405U);
  EXPECT_EQ(pages_->answer({.method = "GET", .path = "/nothing", .query = {}}).status, 404U);
}

TEST_F(ShopPages, TheSameSeedGivesTheSameData) {
  const auto other = folder_ / "other";
  ASSERT_TRUE(write_data(other, 7, {.customers = 200, .large_customers = 2, .orders_of_large = 300,
                                    .median_orders = 5, .legacy_share = 0.2}));
  const auto sum = [](const std::filesystem::path& file) {
    const auto db = open_database(file, SQLITE_OPEN_READONLY).value().release();
    const Database owner(db);
    const auto query = prepare(db, "SELECT count(*), sum(cents), sum(placed) FROM orders").value().release();
    const Statement statement(query);
    EXPECT_EQ(sqlite3_step(query), SQLITE_ROW);
    return std::array{sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 1), sqlite3_column_int64(query, 2)};
  };
  EXPECT_EQ(sum(folder_ / "shop.db"), sum(other / "shop.db"));
}

}  // namespace
}  // namespace shop
