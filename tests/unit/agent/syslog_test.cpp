#include <gtest/gtest.h>

#include "agent/request/syslog.h"

namespace serin::agent {
namespace {

struct Case {
  std::string_view name, message, tag, text;
};

class SyslogTable : public testing::TestWithParam<Case> {};

TEST_P(SyslogTable, HeaderAndTextAreToldApart) {
  const Case& c = GetParam();
  auto message = parse_syslog(c.message);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->tag, c.tag);
  EXPECT_EQ(message->text, c.text);
}

const std::vector<Case> kCases = {
    {"nginx", "<190>Nov 20 12:00:00 web-1 nginx: GET 200", "nginx", "GET 200"},
    {"nginx_nohostname", "<190>Nov 20 12:00:00 shop: GET 200", "shop", "GET 200"},
    {"haproxy", "<134>Nov  2 02:00:00 haproxy[12]: 10.0.0.1:5 [x] y\n", "haproxy",
     "10.0.0.1:5 [x] y"},
    {"rsyslog_file", "Nov 20 12:00:00 web-1 haproxy[12]: a: b", "haproxy", "a: b"},
    {"rsyslog_iso", "2026-11-20T12:00:00.123456+00:00 web-1 api[1]: x", "api", "x"},
    {"rfc5424", "<13>1 2026-11-20T12:00:00.1Z web-1 api 12 - - hello", "api", "hello"},
    {"rfc5424_structured",
     R"(<13>1 2026-11-20T12:00:00Z web-1 api - ID7 [a b="]\"c"][d e="f"] hello)", "api", "hello"},
    {"rfc5424_nil_time", "<13>1 - - api - - - \xEF\xBB\xBFhello", "api", "hello"},
    {"empty_text", "<190>Nov 20 12:00:00 shop: ", "shop", ""},
};
INSTANTIATE_TEST_SUITE_P(Writers, SyslogTable, testing::ValuesIn(kCases),
                         [](const auto& at) { return std::string(at.param.name); });

TEST(Syslog, WhatHasNoHeaderIsNoMessage) {
  for (std::string_view text :
       {"", "<", "<190>", "<190>1", "<190>1 ", "GET / 200", "Nov 20 12:00:00", "<1>1 - - - -",
        "Nov 20 12:00:00 a b c: x", "127.0.0.1 - - [20/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\"",
        R"(<13>1 2026-11-20T12:00:00Z h t - - [open "x)"}) {
    EXPECT_FALSE(parse_syslog(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace serin::agent
