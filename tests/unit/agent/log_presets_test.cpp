#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "agent/request/log_format.h"

namespace serin::agent {
namespace {

constexpr int64_t kNoonUs = 1'795'176'000'000'000;  // 2026-11-20T12:00:00Z

/// The host's zone for one test.
class Zone {
 public:
  explicit Zone(const char* name) {
    if (const char* old = ::getenv("TZ")) before_ = old;
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  ~Zone() {
    before_.empty() ? ::unsetenv("TZ") : ::setenv("TZ", before_.c_str(), 1);
    ::tzset();
  }

 private:
  std::string before_;
};

class Preset : public testing::Test {
 protected:
  void read(std::string_view preset, std::string_view line) {
    auto format = LogFormat::compile(preset, {.version_field = {}, .fields = {"$uri"}});
    ASSERT_TRUE(format) << format.error().message;
    // The views into the line outlive it here, which is a string literal.
    ASSERT_TRUE(format->parse(line, fields_)) << line;
  }
  LogFields fields_;
};

TEST_F(Preset, NginxCombinedWithItsTime) {
  read(
      "nginx_timed",
      R"(10.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /a?b HTTP/1.1" 200 17 "-" "curl/8" 0.125)");
  EXPECT_EQ(fields_.status, 200);
  EXPECT_EQ(fields_.seconds, 0.125);
  EXPECT_EQ(fields_.end_us, kNoonUs);
  EXPECT_EQ(fields_.body_bytes, 17U);
  EXPECT_EQ(fields_.wanted[0], "/a");
}

TEST_F(Preset, ApacheTellsWhenARequestBegan) {
  read(
      "apache_timed",
      R"(10.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /a HTTP/1.1" 503 - "-" "x \"y\" z" 12500)");
  EXPECT_EQ(fields_.status, 503);
  EXPECT_DOUBLE_EQ(fields_.seconds.value(), 0.0125);
  EXPECT_EQ(fields_.start_us, kNoonUs);
  EXPECT_TRUE(fields_.start_is_coarse);
  EXPECT_FALSE(fields_.end_us.has_value());
}

TEST_F(Preset, AQuoteInTheRequestForgesNoStatus) {
  read("apache",
       R"(10.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /\" 200 5 \"-\" HTTP/1.1" 404 5 "-" "-")");
  EXPECT_EQ(fields_.status, 404);
}

TEST_F(Preset, HaproxyWithItsHostsZoneAndItsStates) {
  Zone zone("Europe/Vienna");
  read(
      "haproxy",
      R"(10.0.1.2:33317 [20/Nov/2026:13:00:00.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html?x HTTP/1.1")");
  EXPECT_EQ(fields_.status, 200);
  EXPECT_DOUBLE_EQ(fields_.seconds.value(), 0.109);
  EXPECT_EQ(fields_.start_us, kNoonUs + 655'000);
  EXPECT_EQ(fields_.wanted[0], "/index.html");
  EXPECT_FALSE(fields_.client_left);
  EXPECT_FALSE(fields_.body_bytes.has_value());  // it counts the head too
}

TEST_F(Preset, HaproxyBehindRsyslogsHeader) {
  read(
      "haproxy",
      R"(Nov 20 12:00:00 lb-1 haproxy[77]: 10.0.1.2:33317 [20/Nov/2026:12:00:00.655] in back/<NOSRV> -1/-1/-1/-1/+5 -1 0 - - CR-- 1/1/1/1/0 0/0 "<BADREQ>")");
  EXPECT_EQ(fields_.status, 0);
  EXPECT_DOUBLE_EQ(fields_.seconds.value(), 0.005);
  EXPECT_TRUE(fields_.client_left);
}

TEST_F(Preset, HaproxyLineThatWasCutAtItsLimit) {
  read(
      "haproxy",
      R"(10.0.1.2:1 [20/Nov/2026:12:00:00.655] in b/s 0/0/0/1/1 414 9 - - ---- 1/1/1/1/0 0/0 "GET /long)");
  EXPECT_EQ(fields_.status, 414);
  EXPECT_EQ(fields_.wanted[0], "/long");
}

TEST_F(Preset, EnvoyAsText) {
  read(
      "envoy",
      R"([2026-11-20T12:00:00.310Z] "POST /api/v1?q HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq" "cc21" "loc" "tcp://10.0.2.1:80")");
  EXPECT_EQ(fields_.status, 204);
  EXPECT_DOUBLE_EQ(fields_.seconds.value(), 0.226);
  EXPECT_EQ(fields_.start_us, kNoonUs + 310'000);
  EXPECT_EQ(fields_.body_bytes, 0U);
  EXPECT_EQ(fields_.wanted[0], "/api/v1");
}

TEST_F(Preset, EnvoyAsJsonWhereTheClientLeft) {
  read(
      "envoy_json",
      R"({"duration":7,"response_code":0,"response_flags":"DC","start_time":"2026-11-20T12:00:00.310Z","bytes_sent":0,"path":"/x?y","upstream":null})");
  EXPECT_EQ(fields_.status, 0);
  EXPECT_TRUE(fields_.client_left);
  EXPECT_DOUBLE_EQ(fields_.seconds.value(), 0.007);
  EXPECT_EQ(fields_.wanted[0], "/x");
}

TEST_F(Preset, AJsonTemplateIsReadInWhateverOrder) {
  read(
      R"({"at":"$time_iso8601","code": $status,"took":"${request_time_ms}","path":"$request_uri"})",
      R"({"path":"/p?q","took":12.5,"other":{"code":"no"},"code":"201","at":"2026-11-20T12:00:00Z"})");
  EXPECT_EQ(fields_.status, 201);
  EXPECT_DOUBLE_EQ(fields_.seconds.value(), 0.0125);
  EXPECT_EQ(fields_.end_us, kNoonUs);
  EXPECT_EQ(fields_.wanted[0], "/p");
}

TEST_F(Preset, AJsonTemplateWithMoreThanAVariableIsReadAsText) {
  read(R"({"req":"$request_method $request_uri","code":$status})",
       R"({"req":"GET /p","code":200})");
  EXPECT_EQ(fields_.status, 200);
  EXPECT_EQ(fields_.wanted[0], "/p");
}

TEST_F(Preset, AStatusThatIsMissingInJsonIsNoLine) {
  auto format = LogFormat::compile("envoy_json", {});
  ASSERT_TRUE(format);
  EXPECT_FALSE(format->parse(R"({"duration":7})", fields_));
  EXPECT_FALSE(format->parse(R"({"response_code":"abc"})", fields_));
}

}  // namespace
}  // namespace serin::agent
