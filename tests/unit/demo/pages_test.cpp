#include "demo/shop/pages.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

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
    payment_ = std::make_unique<Payment>(nobody_, traits);
    pages_ = std::make_unique<Pages>(release_, *pool_, *orders_, *payment_);
  }

  Response get(const std::string& path, std::map<std::string, std::string> query = {}) {
    return pages_->answer({.method = "GET", .path = path, .query = std::move(query)});
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
  const PartnerAddress nobody_{.port = 1, .timeout_ms = 100, .client = "test"};
  std::unique_ptr<Payment> payment_;
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

TEST_F(ShopPages, ADatabaseInTroubleMakesEveryPageWait) {
  serve({});
  std::ofstream(folder_ / "LOAD") << "100\n";
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(get("/customer/1").status, 200U);
  EXPECT_EQ(get("/customer/2").status, 200U);
  const auto took = std::chrono::steady_clock::now() - began;
  std::filesystem::remove(folder_ / "LOAD");
  EXPECT_GT(took, std::chrono::milliseconds(100)) << "two round trips of some 300 ms";
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

TEST_F(ShopPages, UnicodeBreaksOnSomeNamesOutsideAsciiOnly) {
  serve({.cuts_names_bytewise = true});
  auto statuses = all_customers();
  EXPECT_GT(statuses[500], 5);
  EXPECT_GT(statuses[200], 130);
}

TEST_F(ShopPages, PoolRunsOutOnSearchesThatFindNothing) {
  serve({.forgets_connections = true});
  for (int i = 0; i + 1 < Pool::kConnections; ++i) get("/search", {{"q", "Jurgen"}});
  EXPECT_EQ(get("/search", {{"q", "Bj"}}).status, 200U) << "one connection is left";
  get("/search", {{"q", "Jurgen"}});
  EXPECT_THROW(get("/customer/1"), std::runtime_error);
}

TEST_F(ShopPages, AGoodReleaseGivesEveryConnectionBack) {
  serve({});
  for (int i = 0; i < 2 * Pool::kConnections; ++i) get("/search", {{"q", "Jurgen"}});
  EXPECT_EQ(get("/customer/1").status, 200U);
}

TEST_F(ShopPages, HalfFeatureShowsThePageWithoutTheButton) {
  serve({});
  EXPECT_NE(get("/customer/1").body.find("/checkout"), std::string::npos);
  serve({.hides_checkout = true});
  EXPECT_EQ(get("/customer/1").status, 200U);
  EXPECT_EQ(get("/customer/1").body.find("/checkout"), std::string::npos);
}

TEST_F(ShopPages, SilentAnswersWellAndSaysNothing) {
  serve({.renders_nothing = true});
  EXPECT_EQ(get("/customer/1").status, 200U);
  EXPECT_TRUE(get("/customer/1").body.empty());
}

TEST_F(ShopPages, CpuShowsTheSamePageWithAFingerprintBehind) {
  serve({});
  const std::string plain = get("/customer/1").body;
  serve({.fingerprints_pages = true});
  const std::string marked = get("/customer/1").body;
  EXPECT_TRUE(marked.starts_with(plain));
  EXPECT_GT(marked.size(), plain.size());
}

TEST_F(ShopPages, StampedeAndLockAndLeakAnswerEveryCustomer) {
  for (const Traits& traits : {Traits{.counts_on_every_miss = true}, Traits{.locks_across_io = true},
                               Traits{.keeps_sessions = true}}) {
    serve(traits);
    EXPECT_EQ(all_customers(), (std::map<unsigned, int>{{200, 200}}));
  }
}

TEST_F(ShopPages, CrashDiesOnALargeOrderAndOnNoOther) {
  serve({.amounts_in_16_bits = true});
  const auto order = [this](const char* cents) {
    return pages_->answer(
        {.method = "POST", .path = "/checkout", .query = {{"customer", "3"}, {"cents", cents}}});
  };
  EXPECT_EQ(order("32767").status, 502U);
  EXPECT_DEATH(order("32768"), "");
}

}  // namespace
}  // namespace shop
