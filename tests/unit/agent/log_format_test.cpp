#include <gtest/gtest.h>

#include <algorithm>

#include "agent/request/log_format.h"
#include "agent/request/log_values.h"

namespace serin::agent {
namespace {

constexpr std::string_view kShop =
    R"($remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time)";
constexpr int64_t kNoon = 1'795'176'000;  // 2026-11-20T12:00:00Z

LogFormat compile(std::string_view text, const LogFormat::Wanted& wanted = {}) {
  auto format = LogFormat::compile(text, wanted);
  EXPECT_TRUE(format) << (format ? "" : format.error().message);
  return std::move(*format);
}

struct Case {
  std::string_view name, format, line;
  std::optional<uint16_t> status;
  std::optional<double> seconds;
  std::optional<int64_t> end_us;
};

class LogFormatTable : public testing::TestWithParam<Case> {};

TEST_P(LogFormatTable, ReadsStatusDurationAndTime) {
  const Case& c = GetParam();
  auto format = compile(c.format);
  LogFields fields;
  ASSERT_TRUE(format.parse(c.line, fields));
  EXPECT_EQ(fields.status, c.status);
  EXPECT_EQ(fields.seconds, c.seconds);
  EXPECT_EQ(fields.end_us, c.end_us);
}

const std::vector<Case> kCases = {
    {"shop", kShop,
     R"(127.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 512 0.012345)", 200,
     0.012345, kNoon * 1'000'000},
    {"zone", kShop, R"(::1 - - [20/Nov/2026:14:30:00 +0230] "GET / HTTP/1.1" 500 0 1.5)", 500, 1.5,
     kNoon * 1'000'000},
    {"combined", "combined",
     R"x(10.0.0.1 - bob [20/Nov/2026:12:00:00 +0000] "GET / HTTP/2" 404 5 "-" "Mozilla/5.0 (X11; \x22q\x22)")x",
     404, std::nullopt, kNoon * 1'000'000},
    {"msec", "$msec $status $request_time", "1795176000.250 499 0.000", 499, 0.0,
     kNoon * 1'000'000 + 250'000},
    {"iso", "$time_iso8601|$status|$request_time", "2026-11-20T12:00:00+00:00|201|2", 201, 2.0,
     kNoon * 1'000'000},
    {"iso with fraction", "$time_iso8601 $status", "2026-11-20T12:00:00.125Z 200", 200,
     std::nullopt, kNoon * 1'000'000 + 125'000},
    {"no status", "$status $request_time", "- 0.5", std::nullopt, 0.5, std::nullopt},
    {"status 000", "$status $request_time", "000 0.5", 0, 0.5, std::nullopt},
    {"braces", "${status}ms${request_time}s", "503ms0.25s", 503, 0.25, std::nullopt},
    {"upstream sum", "$status $upstream_response_time", "200 0.010, 0.020 : 0.5", 200, 0.53,
     std::nullopt},
    {"upstream none", "$status [$upstream_response_time]", "200 [-]", 200, std::nullopt,
     std::nullopt},
    {"request time wins", "$upstream_response_time $status $request_time", "0.1 200 0.3", 200, 0.3,
     std::nullopt},
    {"unknown variables", "$foo_bar $status $baz $request_time;", "x 200 y 0.1;", 200, 0.1,
     std::nullopt},
    {"longer line", "$status $request_time ", "200 0.1 more than was described", 200, 0.1,
     std::nullopt},
    {"finer time wins", "$time_iso8601 $msec $status", "2026-11-20T12:00:00Z 1795176000.5 200", 200,
     std::nullopt, kNoon * 1'000'000 + 500'000},
    {"json", "json",
     R"({"time_iso8601":"2026-11-20T12:00:00+00:00","x":{"a":["}",1]},"status":502,"request_time":"0.250"})",
     502, 0.25, kNoon * 1'000'000},
    {"json escaped quote", "json", R"( { "request" : "GET /\"x HTTP/1.1", "status" : "200" } )",
     200, std::nullopt, std::nullopt}};

std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string name(info.param.name);
  std::ranges::replace(name, ' ', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Lines, LogFormatTable, testing::ValuesIn(kCases), case_name);

TEST(LogFormat, LinesOfAnotherShapeAreRefused) {
  auto shop = compile(kShop);
  LogFields fields;
  for (std::string_view line :
       {"", "garbage", R"(1.2.3.4 - - [20/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 2x0 512 0.01)",
        R"(1.2.3.4 - - [20/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 512 fast)",
        R"(1.2.3.4 - - [32/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 512 0.1)",
        R"(1.2.3.4 - - [20/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200)",
        "\xff\xfe\x00\x01 - - [",
        R"(1.2.3.4 - - [20/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 700 512 0.1)"})
    EXPECT_FALSE(shop.parse(line, fields)) << line;
  auto json = compile("json");
  for (std::string_view line :
       {"{", "{}", "[]", R"({"status":200)", R"({"status":200}x)", R"({"status":"abc"})",
        R"({"request_time":0.1})", R"({"a":{"status":200})"})
    EXPECT_FALSE(json.parse(line, fields)) << line;
}

TEST(LogFormat, FieldsThatAreAskedForAreHandedOver) {
  auto format =
      compile(R"($status "$request" $http_x_release $uid)",
              {.version_field = "$http_x_release", .fields = {"$uri", "uid", "$request_uri"}});
  LogFields fields;
  ASSERT_TRUE(format.parse(R"(200 "POST /checkout?step=2 HTTP/1.1" 1.4.3 7)", fields));
  EXPECT_EQ(fields.version, "1.4.3");
  ASSERT_EQ(fields.wanted.size(), 3U);
  EXPECT_EQ(fields.wanted[0], "/checkout");
  EXPECT_EQ(fields.wanted[1], "7");
  EXPECT_EQ(fields.wanted[2], "/checkout?step=2");
  ASSERT_TRUE(format.parse(R"(400 "" - -)", fields));
  EXPECT_TRUE(fields.version.empty());
  EXPECT_TRUE(fields.wanted[0].empty());
}

TEST(LogFormat, JsonHandsOverAnyKey) {
  auto format = compile("json", {.version_field = "release", .fields = {"uri", "kind"}});
  LogFields fields;
  ASSERT_TRUE(format.parse(
      R"({"kind":"order","status":200,"release":"v2","request":"GET /x?y HTTP/1.1"})", fields));
  EXPECT_EQ(fields.version, "v2");
  EXPECT_EQ(fields.wanted[0], "/x");
  EXPECT_EQ(fields.wanted[1], "order");
}

TEST(LogFormat, WhatCannotWorkIsAConfigurationError) {
  auto error = [](std::string_view text, const LogFormat::Wanted& wanted = {}) {
    auto format = LogFormat::compile(text, wanted);
    return format ? std::string("compiled") : format.error().message;
  };
  EXPECT_NE(error("$remote_addr $request_time").find("no $status"), std::string::npos);
  EXPECT_NE(error("$status$request_time").find("$status and $request_time touch"),
            std::string::npos);
  EXPECT_NE(error("$status $ x").find("column 9"), std::string::npos);
  EXPECT_NE(error("$status ${request_time").find("column 9"), std::string::npos);
  EXPECT_NE(error("combnied").find("combined"), std::string::npos);
  EXPECT_NE(error("$status", {.version_field = "$release", .fields = {}}).find("holds no $release"),
            std::string::npos);
  EXPECT_NE(error("$status", {.version_field = {}, .fields = {"$uri"}}).find("holds no $uri"),
            std::string::npos);
  EXPECT_NE(error(std::string(20'000, 'x')).find("16 KiB"), std::string::npos);
}

TEST(LogValues, NumbersThatNobodyMeant) {
  EXPECT_FALSE(parse_seconds(""));
  EXPECT_FALSE(parse_seconds("."));
  EXPECT_FALSE(parse_seconds("1e3"));
  EXPECT_FALSE(parse_seconds("-1"));
  EXPECT_FALSE(parse_seconds("1.2.3"));
  EXPECT_FALSE(parse_seconds("99999999"));
  EXPECT_FALSE(parse_seconds("999999999999999999999999999999"));
  EXPECT_NEAR(parse_seconds("0.1234567890123456789").value(), 0.1234567890123456789, 1e-12);
  EXPECT_FALSE(parse_status("20"));
  EXPECT_FALSE(parse_status("0200"));
  EXPECT_FALSE(parse_status("099"));
}

}  // namespace
}  // namespace serin::agent
