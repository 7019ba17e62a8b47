#include <gtest/gtest.h>

#include "agent/request/http_response.h"

namespace serin::agent {
namespace {

/// What comes of an answer that arrives in pieces of `step` bytes: its body, or "!" and the error.
std::string read(std::string_view answer, size_t step, bool closes = true) {
  std::string body;
  HttpResponse response([&](std::string_view part) { body += part; });
  for (size_t at = 0; at < answer.size(); at += step)
    if (auto good = response.feed(answer.substr(at, step)); !good)
      return "!" + good.error().message;
  if (!closes) return response.is_done() ? body : "!open";
  auto whole = response.finish();
  return whole ? body : "!" + whole.error().message;
}

void expect(std::string_view answer, std::string_view body) {
  for (size_t step : {1, 2, 3, 7, 1000}) EXPECT_EQ(read(answer, step), body) << answer << step;
}

TEST(HttpResponse, BodiesOfAllThreeKinds) {
  expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello");
  expect("HTTP/1.0 200 OK\nServer: x\n\nhello", "hello");
  expect(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: "
      "r\r\n\r\n",
      "hello");
  expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 4, false), "hello");
}

TEST(HttpResponse, ALengthThatIsALieIsSeenOrEndsThePage) {
  expect("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
         "!its page ended after 5 bytes, before its end");
  expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", "he");
  expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
         "!its content-length makes no sense");
  expect("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
         "!its content-length makes no sense");
  expect("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhello",
         "!its page is larger than 16 MiB");
  expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel",
         "!its page ended after 3 bytes, before its end");
  expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n",
         "!its chunks make no sense");
  expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
         "!its chunks make no sense");
}

TEST(HttpResponse, AnyStatusAndOneHeaderAreKeptWhereTheyAreWanted) {
  for (size_t step : {1, 5, 1000}) {
    std::string_view answer =
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 Busy\r\nX-Version:  1.2 \r\n"
        "X-Version: 3\r\nContent-Length: 2\r\n\r\nno";
    std::string body;
    HttpResponse response([&](std::string_view part) { body += part; },
                          {.status = AnswerWanted::Status::any, .header = "x-version"});
    for (size_t at = 0; at < answer.size(); at += step)
      ASSERT_TRUE(response.feed(answer.substr(at, step)));
    EXPECT_TRUE(response.is_done());
    EXPECT_EQ(response.status(), 503);
    EXPECT_EQ(response.header(), "1.2");
    EXPECT_EQ(body, "no");
  }
  HttpResponse nothing([](std::string_view) {}, {.status = AnswerWanted::Status::any});
  ASSERT_TRUE(nothing.feed("HTTP/1.1 204 No Content\r\n\r\n"));
  EXPECT_TRUE(nothing.is_done());
  HttpResponse odd([](std::string_view) {}, {.status = AnswerWanted::Status::any});
  EXPECT_FALSE(odd.feed("HTTP/1.1 abc Fine\r\n\r\n"));
}

TEST(HttpResponse, WhatIsNoPageIsSaidToBeNone) {
  expect("", "!it closed the connection without an answer");
  expect("SSH-2.0-OpenSSH\r\n\r\n", "!it does not speak HTTP/1");
  expect("HTTP/1.1 404 Not Found\r\n\r\n", "!it answered 404 Not Found");
  expect("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "!it answers in gzip");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n" + std::string(20'000, 'x'), 512),
            "!its head is longer than 16 KiB");
}

TEST(HttpResponse, ABodyWithoutEndIsCutAtItsLimit) {
  HttpResponse response([](std::string_view) {});
  ASSERT_TRUE(response.feed("HTTP/1.1 200 OK\r\n\r\n"));
  std::string much(size_t{1} << 20, 'x');
  int taken = 0;
  while (response.feed(much)) ASSERT_LT(++taken, 17);
  EXPECT_EQ(taken, 16);
}

}  // namespace
}  // namespace serin::agent
