#include "common/bus/attention.h"

#include <gtest/gtest.h>

#include "common/ids.h"

namespace serin::bus {
namespace {

TEST(Attention, ReadsWhatItWrites) {
  const Attention one{.interval_ms = 500, .lasting_seconds = 90};
  EXPECT_EQ(encode_attention(one), "interval_ms=500 lasting_seconds=90");
  const auto read = decode_attention(as_bytes(encode_attention(one)));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, one);
}

TEST(Attention, AnythingElseIsAnError) {
  for (const char* text :
       {"", "interval_ms=1000",
        "interval_ms=1000 lasting_seconds=", "lasting_seconds=600 interval_ms=1000",
        "interval_ms=1000  lasting_seconds=600", "interval_ms=1000 lasting_seconds=600 ",
        "interval_ms=-1000 lasting_seconds=600", "interval_ms=+1 lasting_seconds=600",
        "interval_ms=0x3e8 lasting_seconds=600", "interval_ms=99999999999999 lasting_seconds=600",
        "interval_ms=1000 lasting_seconds=600\n", " interval_ms=1000 lasting_seconds=600"}) {
    EXPECT_FALSE(decode_attention(as_bytes(text))) << text;
  }
}

TEST(Attention, ALimitThatWouldHurtAFleetIsRefusedAndNamed) {
  for (const char* text :
       {"interval_ms=1 lasting_seconds=600", "interval_ms=99 lasting_seconds=600",
        "interval_ms=60001 lasting_seconds=600", "interval_ms=1000 lasting_seconds=0",
        "interval_ms=1000 lasting_seconds=901"}) {
    const auto read = decode_attention(as_bytes(text));
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().message.find("outside"), std::string::npos);
  }
  EXPECT_TRUE(decode_attention(as_bytes("interval_ms=100 lasting_seconds=900")));
}

}  // namespace
}  // namespace serin::bus
