#include <gtest/gtest.h>

#include <map>

#include "common/metric_selector.h"

namespace serin {
namespace {

using Labels = std::map<std::string_view, std::string_view>;

bool matches(std::string_view selector, std::string_view name, Labels labels = {}) {
  auto parsed = MetricSelector::parse(selector);
  EXPECT_TRUE(parsed) << selector << (parsed ? "" : parsed.error().message);
  return parsed && parsed->matches(name, [&](std::string_view label) { return labels[label]; });
}

TEST(MetricSelector, ANameIsTheWholeName) {
  EXPECT_TRUE(matches("requests", "requests"));
  EXPECT_FALSE(matches("requests", "requests_total"));
  EXPECT_FALSE(matches("requests_total", "requests"));
  EXPECT_TRUE(matches("web.*.count", "web.a.b.count"));
  EXPECT_FALSE(matches("web.*.count", "web.a.b.counts"));
}

TEST(MetricSelector, LabelsMustAllFit) {
  constexpr auto kSelector = R"(n{code="5*", handler!="/live"})";
  EXPECT_TRUE(matches(kSelector, "n", {{"code", "503"}, {"handler", "/"}}));
  EXPECT_TRUE(matches(kSelector, "n", {{"code", "503"}}));
  EXPECT_FALSE(matches(kSelector, "n", {{"code", "503"}, {"handler", "/live"}}));
  EXPECT_FALSE(matches(kSelector, "n", {{"code", "200"}}));
  EXPECT_FALSE(matches(kSelector, "n"));
}

TEST(MetricSelector, AStarStandsForAnyText) {
  EXPECT_TRUE(MetricSelector::matches_glob("*", ""));
  EXPECT_TRUE(MetricSelector::matches_glob("a*b*c", "aXbXbc"));
  EXPECT_FALSE(MetricSelector::matches_glob("a*b*c", "aXbXb"));
  EXPECT_TRUE(MetricSelector::matches_glob("**a**", "xxa"));
  EXPECT_FALSE(MetricSelector::matches_glob("", "a"));
}

TEST(MetricSelector, WhatIsNoSelectorIsRefused) {
  for (std::string_view text : {"", "{a=\"b\"}", "a b", "a{", "a{b}", "a{b=c}", "a{b=\"c}",
                                "a{b=\"c\" d=\"e\"}", "a}", "a{=\"b\"}", "a:1|c"}) {
    EXPECT_FALSE(MetricSelector::parse(text)) << text;
  }
  EXPECT_FALSE(MetricSelector::parse(std::string(600, 'a')));
  EXPECT_TRUE(MetricSelector::parse("a{}"));
}

}  // namespace
}  // namespace serin
