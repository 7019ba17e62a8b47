#include "demo/shop/access_log.h"

#include <gtest/gtest.h>

namespace shop {
namespace {

TEST(ShopAccessLog, ALineIsAsNginxWouldWriteIt) {
  EXPECT_EQ(access_line({.remote = "127.0.0.1", .request = "GET /customer/7 HTTP/1.1", .status = 200, .body_bytes = 512,
                         .seconds = 0.0123454},
                        1'795'179'776),
            "127.0.0.1 - - [20/Nov/2026:13:02:56 +0000] \"GET /customer/7 HTTP/1.1\" 200 512 0.012345\n");
}

TEST(ShopAccessLog, BytesThatWouldBreakTheLineAreEscaped) {
  const auto line = access_line({.remote = "127.0.0.1", .request = "GET /\"\n\\\xc3\xa9 HTTP/1.1", .status = 404,
                                 .body_bytes = 0, .seconds = 0},
                                0);
  EXPECT_NE(line.find("\"GET /\\x22\\x0A\\x5C\\xC3\\xA9 HTTP/1.1\" 404"), std::string::npos) << line;
}

}  // namespace
}  // namespace shop
