#include "schema/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "schema/limits.h"
#include "tests/wire/generate.h"

namespace serin::test {
namespace {

using testing::HasSubstr;

PolicySet from_toml(std::string_view text) {
  auto table = ConfigTable::parse_text(text, "aggregator.toml");
  if (!table) {
    ADD_FAILURE() << table.error().message;
    return {};
  }
  PolicySet set = policy_from_config(*table);
  const auto finished = table->finish();
  EXPECT_TRUE(finished) << finished.error().message;
  return set;
}

std::string problems_of(std::string_view text) {
  auto table = ConfigTable::parse_text(text, "aggregator.toml");
  if (!table) return table.error().message;
  policy_from_config(*table);
  const auto finished = table->finish();
  return finished ? "no problem" : finished.error().message;
}

std::string json_error_of(std::string_view json) {
  const auto set = policy_from_json(json);
  return set ? "no error" : set.error().message;
}

constexpr std::string_view kEverySetting = R"(
[policy.default]
mode = "recommend"
watch_window = "5m"
false_rollback_probability = 0.02
guarantee = "proven"
stages = ["2 hosts", "10%", "100%"]
max_parallel = "20%"
min_healthy = 0.5
max_automatic_rollbacks_per_hour = 3
margins = { errors = { relative = 0.5, absolute = 0.001 }, latency = { p50 = 0.10, p90 = 0.15, p99 = 0.25 }, cpu_per_request = 0.20, connections = 0.50, memory = 0.30 }
slo = { errors = "5%", min_requests = 100, latency = "250ms" }
must_see = { errors = 0.02 }
business = { orders = "lower", refunds = "higher", "items per cart" = "both" }
min_requests_to_pass = 1000
verify_within = "90s"
soak = "2h"

[policy.api]
mode = "enforce"
[policy.api.margins]
memory = 0.4
[policy.api.business]
refunds = "ignore"
)";

TEST(PolicyConfig, ReadsEverySetting) {
  const Policy policy = from_toml(kEverySetting).fallback;
  const Policy wanted{.mode = Policy::Mode::recommend,
                      .watch_window_seconds = 300,
                      .false_rollback_probability = 0.02,
                      .guarantee = Policy::Guarantee::proven,
                      .stages = {"2 hosts", "10%", "100%"},
                      .max_parallel = 0.2,
                      .min_healthy = 0.5,
                      .max_automatic_rollbacks_per_hour = 3,
                      .margins = {.errors_relative = 0.5,
                                  .errors_absolute = 0.001,
                                  .latency_p50 = 0.10,
                                  .latency_p90 = 0.15,
                                  .latency_p99 = 0.25,
                                  .cpu_per_request = 0.20,
                                  .connections = 0.50,
                                  .memory = 0.30},
                      .slo_errors = 0.05,
                      .slo_min_requests = 100,
                      .slo_latency_seconds = 0.25,
                      .business = {{"orders", Policy::Hurts::lower},
                                   {"refunds", Policy::Hurts::higher},
                                   {"items per cart", Policy::Hurts::both}},
                      .must_see_errors = 0.02,
                      .min_requests_to_pass = 1000,
                      .soak_seconds = 7200,
                      .verify_seconds = 90};
  EXPECT_EQ(policy, wanted);
}

TEST(PolicyConfig, AServiceStartsFromTheDefault) {
  const PolicySet set = from_toml(kEverySetting);
  Policy wanted = set.fallback;
  wanted.mode = Policy::Mode::enforce;
  wanted.margins.memory = 0.4;
  wanted.business["refunds"] = Policy::Hurts::ignore;
  EXPECT_EQ(set.of("api"), wanted);
  EXPECT_EQ(set.of("web"), set.fallback);
  EXPECT_EQ(set.services.size(), 1U);
}

TEST(PolicyConfig, WithoutAnySettingTheDefaultsHold) {
  EXPECT_EQ(from_toml(""), PolicySet{});
  EXPECT_EQ(from_toml("[policy.default]"), PolicySet{});
}

TEST(PolicyConfig, EveryProblemIsToldAtItsKey) {
  const auto with = [](std::string_view line) {
    return problems_of("[policy.default]\n" + std::string(line));
  };
  EXPECT_THAT(with("mode = \"enforced\""), HasSubstr("\"enforce\", \"recommend\" or \"observe\""));
  EXPECT_THAT(with("guarantee = \"sworn\""), HasSubstr("\"calibrated\" or \"proven\""));
  EXPECT_THAT(with("watch_window = \"1s\""), HasSubstr("between 10 and 86400 seconds"));
  EXPECT_THAT(with("false_rollback_probability = 0.9"), HasSubstr("false_rollback_probability"));
  EXPECT_THAT(with("stages = [\"some hosts\"]"), HasSubstr("1 host"));
  EXPECT_THAT(with("max_parallel = \"120%\""), HasSubstr("max_parallel"));
  EXPECT_THAT(with("max_automatic_rollbacks_per_hour = -1"),
              HasSubstr("max_automatic_rollbacks_per_hour"));
  EXPECT_THAT(with("margins = { memory = -1 }"), HasSubstr("memory"));
  EXPECT_THAT(with("margins = { latency = { p95 = 0.1 } }"), HasSubstr("p95"));
  EXPECT_THAT(with("slo = { errors = 2 }"), HasSubstr("errors"));
  EXPECT_THAT(with("business = { orders = \"less\" }"), HasSubstr("\"lower\", \"higher\""));
  EXPECT_THAT(with("business = { orders = 3 }"), HasSubstr("orders"));
  EXPECT_THAT(with("verify_within = \"3h\""), HasSubstr("verify_within"));
  EXPECT_THAT(with("watch_windows = \"10m\""), HasSubstr("watch_window"));
  EXPECT_THAT(problems_of("[policy.API]\nmode = \"observe\""), HasSubstr("service name"));
  const std::string both = with("mode = 3\nmin_healthy = 7");
  EXPECT_THAT(both, HasSubstr("mode"));
  EXPECT_THAT(both, HasSubstr("min_healthy"));
}

TEST(PolicyConfig, AFleetOfSmallDifferencesFitsAMessage) {
  std::string text = "[policy.default]\nmode = \"enforce\"\n";
  for (int i = 0; i < 1000; ++i)
    text += "[policy.service-" + std::to_string(i) + "]\nmode = \"observe\"\n";
  EXPECT_EQ(problems_of(text), "no problem");
  for (int i = 0; i < 2000; ++i)
    text += "[policy.another-" + std::to_string(i) + "]\nmode = \"observe\"\n";
  EXPECT_THAT(problems_of(text), HasSubstr("must fit 60 KiB"));
}

TEST(PolicyJson, WhatWasWrittenIsRead) {
  Generator generator(41);
  for (int i = 0; i < 500; ++i) {
    const PolicySet set = generator.policy_set();
    const std::string json = to_json(set);
    const auto read = policy_from_json(json);
    ASSERT_TRUE(read) << read.error().message << "\nin " << json;
    ASSERT_EQ(*read, set) << json;
    ASSERT_EQ(to_json(*read), json);
  }
}

TEST(PolicyJson, IsCanonical) {
  const std::string json = to_json(from_toml(kEverySetting));
  EXPECT_EQ(nlohmann::json::parse(json).dump(), json);  // sorted keys, no blanks
  EXPECT_THAT(json, testing::EndsWith(
                        R"("services":{"api":{"business":{"refunds":"ignore"},"margins":{"memory":0.4},"mode":"enforce"}}})"));
}

TEST(PolicyJson, WhatIsNotThereIsTheDefault) {
  const auto set =
      policy_from_json(R"({"default":{"watch_window":60},"services":{"api":{"later":1}}})");
  ASSERT_TRUE(set) << set.error().message;
  PolicySet wanted;
  wanted.fallback.watch_window_seconds = 60;
  wanted.services["api"] = wanted.fallback;
  EXPECT_EQ(*set, wanted);
}

TEST(PolicyJson, WrongValuesAreNamed) {
  EXPECT_THAT(json_error_of(""), HasSubstr("not a JSON object"));
  EXPECT_THAT(json_error_of("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(json_error_of("{}"), HasSubstr("`default`"));
  EXPECT_THAT(json_error_of(R"({"default":3})"), HasSubstr("default: must be an object"));
  EXPECT_THAT(json_error_of(R"({"default":{"mode":1}})"), HasSubstr("default.mode"));
  EXPECT_THAT(json_error_of(R"({"default":{"margins":{"latency":{"p50":"x"}}}})"),
              HasSubstr("default.margins.latency.p50"));
  EXPECT_THAT(json_error_of(R"({"default":{"slo":{"min_requests":1e30}}})"),
              HasSubstr("default.slo.min_requests"));
  EXPECT_THAT(json_error_of(R"({"default":{"stages":["5%","1%"]}})"), HasSubstr("default.stages"));
  EXPECT_THAT(json_error_of(R"({"default":{"stages":3}})"), HasSubstr("default.stages"));
  EXPECT_THAT(json_error_of(R"({"default":{},"services":[]})"), HasSubstr("services"));
  EXPECT_THAT(json_error_of(R"({"default":{},"services":{"A B":{}}})"), HasSubstr("'A B'"));
  EXPECT_THAT(json_error_of(R"({"default":{},"services":{"api":{"min_healthy":2}}})"),
              HasSubstr("api.min_healthy"));
  EXPECT_THAT(json_error_of(std::string(limits::kPolicyBytes + 1, ' ')), HasSubstr("60 KiB"));
}

TEST(Stages, AreHostsOrShares) {
  EXPECT_EQ(stage_from("1 host")->of(40), 1U);
  EXPECT_EQ(stage_from("3 hosts")->of(40), 3U);
  EXPECT_EQ(stage_from("3 hosts")->of(2), 2U);
  EXPECT_EQ(stage_from("5%")->of(40), 2U);
  EXPECT_EQ(stage_from("5%")->of(3), 1U);
  EXPECT_EQ(stage_from("12.5%")->of(80), 10U);
  EXPECT_EQ(stage_from("100%")->of(7), 7U);
  EXPECT_EQ(stage_from("100%")->of(0), 0U);
  for (const char* text : {"", "host", "0 hosts", "-1 host", "1.5 hosts", "0%", "101%", "5 %", "5",
                           "nan%", "inf%", "1e9%"}) {
    EXPECT_FALSE(stage_from(text)) << text;
  }
}

}  // namespace
}  // namespace serin::test
