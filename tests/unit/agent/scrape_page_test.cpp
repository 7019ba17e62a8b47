#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/request/scrape_page.h"

namespace serin::agent {
namespace {

TEST(PrometheusLine, NamesLabelsAndValues) {
  auto line = parse_prometheus(R"(http_total{code="200",path="/a\"} b",} 1027 1395066363000)");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->name, "http_total");
  EXPECT_EQ(line->label("code"), "200");
  EXPECT_EQ(line->label("path"), R"(/a\"} b)");
  EXPECT_EQ(line->label("pat"), "");
  EXPECT_EQ(line->value, 1027);
  EXPECT_EQ(parse_prometheus("up 1e3")->value, 1000);
  EXPECT_EQ(parse_prometheus("a{} +Inf")->name, "a");
  EXPECT_EQ(parse_prometheus(R"(  a { x = "y" }  2 # {trace="z"} 1 2)")->label("x"), "y");
}

TEST(PrometheusLine, WhatIsNoSampleIsRefused) {
  for (std::string_view text :
       {"", " ", "# HELP a b", "a", "a ", "a{ 1", "a{b} 1", R"(a{b="c} 1)", R"(a{b="c"}x)", "a b",
        "1 2", R"(a{b="c" 1)", R"({"a"} 1)", "a{=\"b\"} 1"}) {
    EXPECT_FALSE(parse_prometheus(text)) << text;
  }
}

class ScrapePageTest : public testing::Test {
 protected:
  ScrapePageTest() {
    service_.name = "api";
    service_.requests.push_back({.source = "prometheus"});
  }
  ServiceFile::Requests& wanted() { return service_.requests[0]; }
  static MetricSelector select(std::string_view text) { return *MetricSelector::parse(text); }

  /// What happened up to this page.
  Tally page(std::string_view text, bool must_have_end = false) {
    auto outcome = try_page(text, must_have_end);
    EXPECT_TRUE(outcome) << outcome.error().message;
    batch_->flush(1, tallies_);
    return tallies_.take(1);
  }
  Result<void> try_page(std::string_view text, bool must_have_end = false) {
    if (!page_) {
      page_.emplace(service_, 0);
      batch_.emplace(service_, 0);
    }
    page_->begin();
    // Cut anywhere, in a way that is not the same for all pages.
    for (size_t at = 0, size = 1 + text.size() % 7; at < text.size(); at += size)
      page_->feed(text.substr(at, size));
    return page_->finish(must_have_end, 1, *batch_);
  }

  ServiceFile service_;
  std::optional<ScrapePage> page_;
  std::optional<MetricBatch> batch_;
  Tallies tallies_{1};
};

TEST_F(ScrapePageTest, WhatGrewBetweenTwoPagesIsCounted) {
  wanted().requests = {select("http_total")};
  wanted().errors = {select(R"(http_total{code="5*"})")};
  EXPECT_EQ(page("http_total{code=\"200\"} 1000\nhttp_total{code=\"500\"} 7\n").requests.requests,
            0U);
  Tally tally = page("http_total{code=\"200\"} 1010\nhttp_total{code=\"500\"} 9\nother 5\n");
  EXPECT_EQ(tally.requests.requests, 12U);
  EXPECT_EQ(tally.requests.errors, 2U);
  // A label that was never there before began at 0.
  EXPECT_EQ(page("http_total{code=\"200\"} 1010\nhttp_total{code=\"500\"} 9\n"
                 "http_total{code=\"503\"} 3\n")
                .requests.errors,
            3U);
}

TEST_F(ScrapePageTest, StatusesComeFromALabel) {
  wanted().requests = {select("http_total")};
  wanted().status_label = "code";
  page("http_total{code=\"200\"} 1\n");
  Tally tally = page(
      "http_total{code=\"200\"} 3\nhttp_total{code=\"5xx\"} 2\nhttp_total{code=\"429\"} 1\n"
      "http_total{code=\"\"} 4\n");
  EXPECT_EQ(tally.requests.requests, 9U);
  EXPECT_EQ(tally.requests.errors, 2U);
  EXPECT_EQ(tally.requests.limited, 1U);
}

TEST_F(ScrapePageTest, ACounterThatFellBeganAnew) {
  wanted().requests = {select("n_total")};
  page("n_total 1000\n");
  EXPECT_EQ(page("n_total 4\n").requests.requests, 4U);
  EXPECT_EQ(page("n_total 5\n").requests.requests, 1U);
}

TEST_F(ScrapePageTest, ASeriesThatWasMissingForAWhileGoesOnWhereItWas) {
  wanted().requests = {select("n_total")};
  page("n_total{a=\"1\"} 1000\nn_total{a=\"2\"} 5\n");
  EXPECT_EQ(page("n_total{a=\"2\"} 5\n").requests.requests, 0U);
  EXPECT_EQ(page("n_total{a=\"1\"} 1001\nn_total{a=\"2\"} 5\n").requests.requests, 1U);
  page_.reset();
  // An exporter that at first has nothing to tell.
  page("up 0\n");
  EXPECT_EQ(page("n_total{a=\"1\"} 1000\n").requests.requests, 0U);
}

std::string histogram(std::string_view labels, int a, int b, int c) {
  std::string comma = labels.empty() ? "" : ",";
  return fmt::format(
      "t_seconds_bucket{{{0}{1}le=\"0.1\"}} {2}\nt_seconds_bucket{{{0}{1}le=\"1\"}} {3}\n"
      "t_seconds_bucket{{{0}{1}le=\"+Inf\"}} {4}\nt_seconds_sum{{{0}}} 1\n"
      "t_seconds_count{{{0}}} {4}\n",
      labels, comma, a, b, c);
}

TEST_F(ScrapePageTest, AClassicHistogramKeepsItsOwnEdges) {
  wanted().latency = {select("t_seconds")};
  page(histogram("m=\"x\"", 10, 20, 30) + histogram("m=\"y\"", 0, 0, 0));
  Tally tally = page(histogram("m=\"x\"", 15, 28, 40) + histogram("m=\"y\"", 1, 1, 2));
  // 5 + 1 up to 0.1 s, 3 up to 1 s, 2 + 1 above.
  const auto& latency = tally.requests.latency;
  EXPECT_EQ(tally.requests.requests, 12U);
  EXPECT_EQ(latency.total(), 12U);
  EXPECT_EQ(latency.at(ExpHistogram::index_of(0.1)), 6U);
  EXPECT_EQ(latency.at(ExpHistogram::index_of(1)), 3U);
  EXPECT_EQ(latency.at(ExpHistogram::index_of(1) + 1), 3U);
  EXPECT_EQ(latency.above(ExpHistogram::index_of(0.1)), 6U);  // exact at its edges
  EXPECT_EQ(latency.above(ExpHistogram::index_of(1)), 3U);
  EXPECT_THAT(page_->edges(), testing::ElementsAre(0.1, 1));
}

TEST_F(ScrapePageTest, AHistogramFallsAsAWhole) {
  wanted().latency = {select("t_seconds")};
  page(histogram("", 0, 5, 10));
  // Its lowest bucket has caught up already.
  Tally tally = page(histogram("", 3, 3, 4));
  EXPECT_EQ(tally.requests.latency.total(), 4U);
  EXPECT_EQ(tally.requests.requests, 4U);
}

TEST_F(ScrapePageTest, ALabelTellsClassesApart) {
  wanted().requests = {select("n")};
  wanted().status_label = "code";
  wanted().latency = {select("t")};
  service_.classes = {{.name = "checkout", .label = "handler", .equals = "/checkout"}};
  auto text = [](int checkout, int failed, int home) {
    return fmt::format(
        "n{{handler=\"/checkout\",code=\"200\"}} {0}\nn{{handler=\"/checkout\",code=\"500\"}} {1}\n"
        "n{{handler=\"/\",code=\"200\"}} {2}\n"
        "t_bucket{{handler=\"/checkout\",le=\"0.1\"}} {3}\n"
        "t_bucket{{handler=\"/checkout\",le=\"+Inf\"}} {3}\n"
        "t_bucket{{handler=\"/\",le=\"0.1\"}} {2}\nt_bucket{{handler=\"/\",le=\"+Inf\"}} {2}\n",
        checkout, failed, home, checkout + failed);
  };
  page(text(10, 1, 5));
  Tally tally = page(text(14, 3, 6));
  ASSERT_EQ(tally.requests.classes.size(), 2U);
  EXPECT_EQ(tally.requests.classes[0].name, "checkout");
  EXPECT_EQ(tally.requests.classes[0].requests, 6U);
  EXPECT_EQ(tally.requests.classes[0].errors, 2U);
  EXPECT_EQ(tally.requests.classes[0].latency.total(), 6U);
  EXPECT_EQ(tally.requests.classes[1].requests, 1U);
  EXPECT_EQ(tally.requests.requests, 7U);
}

TEST_F(ScrapePageTest, BusinessMayBeFractions) {
  wanted().requests = {select("n_total")};
  service_.business = {{.name = "revenue", .metric = {select("euros_total")}}};
  page("n_total 1\neuros_total 10.5\n");
  EXPECT_DOUBLE_EQ(page("n_total 1\neuros_total 12.75\n").business[0], 2.25);
}

TEST_F(ScrapePageTest, APageThatIsNotWholeCountsNothing) {
  wanted().requests = {select("n_total")};
  page("n_total 10\n");
  EXPECT_EQ(try_page("n_total 1").error().message, "its page ends within a line");
  EXPECT_EQ(try_page("n_total 11\n", true).error().message, "its page ends without # EOF");
  EXPECT_FALSE(try_page("n_total 11\n# EOF\nn_total 12\n", true));
  EXPECT_EQ(page("n_total 12\n# EOF\n", true).requests.requests, 2U);
}

TEST_F(ScrapePageTest, TooLargeAPageIsRefused) {
  wanted().requests = {select("n_total")};
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += fmt::format("noise{{i=\"{}\"}} 1\n", i);
  auto outcome = try_page(text);
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("more than 50000 lines"), std::string::npos);
  EXPECT_TRUE(page_->is_too_large());
  text.clear();
  for (int i = 0; i < 6'000; ++i) text += fmt::format("n_total{{i=\"{}\"}} 1\n", i);
  outcome = try_page(text);
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("more than 5000 series"), std::string::npos);
  EXPECT_TRUE(page("n_total 1\n").empty());
}

TEST_F(ScrapePageTest, GarbageIsCountedAndLeavesTheRestAlone) {
  wanted().requests = {select("n_total")};
  page("n_total 1\n");
  std::string text = "\xFF\xFE\n";
  text += std::string("\0\0\0\n", 4);
  text += std::string(100'000, 'x') + "\n";
  text += "n_total NaN\nn_total -5\nn_total 4\r\n";
  EXPECT_EQ(page(text).requests.requests, 3U);
  EXPECT_EQ(page_->skipped(), 3U);
  EXPECT_EQ(try_page(std::string(100'000, 'x')).error().message, "its page ends within a line");
}

}  // namespace
}  // namespace serin::agent
