#include "agent/request/class_rules.h"

#include <gtest/gtest.h>

namespace serin::agent {
namespace {

ServiceFile service() {
  ServiceFile file;
  file.classes = {{.name = "home", .field = "$uri", .equals = "/"},
                  {.name = "checkout", .field = "$uri", .prefix = "/checkout"},
                  {.name = "acme", .label = "tenant", .equals = "acme"},
                  {.name = "partner", .field = "$http_host", .prefix = "partner."}};
  return file;
}

TEST(ClassRules, TheFirstThatFitsHasItAndTheRestIsTheLast) {
  auto rules = ClassRules::of_fields(service());
  auto named = [&](std::string_view uri, std::string_view host) {
    return rules.name(rules.find([&](size_t key) { return key == 0 ? uri : host; }));
  };
  EXPECT_EQ(named("/", "shop"), "home");
  EXPECT_EQ(named("/checkout/2", "partner.example"), "checkout");
  EXPECT_EQ(named("/about", "partner.example"), "partner");
  EXPECT_EQ(named("/about", "shop"), "other");
  EXPECT_EQ(named("", ""), "other");
  EXPECT_EQ(rules.size(), 4U);
  EXPECT_EQ(rules.keys(), (std::vector<std::string>{"$uri", "$http_host"}));
}

TEST(ClassRules, OfLabelsAreThoseOfMetricsAlone) {
  auto rules = ClassRules::of_labels(service());
  auto by = [](std::string_view value) {
    return [=](std::string_view label) { return label == "tenant" ? value : ""; };
  };
  EXPECT_EQ(rules.name(rules.find_by_label(by("acme"))), "acme");
  EXPECT_EQ(rules.name(rules.find_by_label(by("acme2"))), "other");
}

TEST(ClassRules, WithoutClassesThereIsNotEvenARest) {
  auto rules = ClassRules::of_labels({});
  EXPECT_TRUE(rules.empty());
  EXPECT_EQ(rules.size(), 0U);
  EXPECT_EQ(rules.find_by_label([](std::string_view) -> std::string_view { std::abort(); }), 0U);
}

}  // namespace
}  // namespace serin::agent
