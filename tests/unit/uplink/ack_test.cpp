#include "agent/uplink/ack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/ids.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;

Ack read(std::string_view text) {
  return read_ack("", as_bytes(text));
}

TEST(Ack, ASequenceMeansThatItIsStored) {
  const Ack ack = read(R"({"stream":"SERIN_INPUT", "seq":18446744073709551615,"domain":"x"})");
  EXPECT_TRUE(ack.stored);
  EXPECT_EQ(ack.why, "");
  EXPECT_TRUE(read(R"({"stream":"SERIN_INPUT","seq":7,"duplicate":true})").stored);
}

TEST(Ack, ARefusalIsTheServersWordsAndCode) {
  const Ack ack = read(
      R"({"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},)"
      R"("stream":"SERIN_INPUT","seq":0})");
  EXPECT_FALSE(ack.stored);
  EXPECT_EQ(ack.code, 10054u);
  EXPECT_EQ(ack.why, "message size exceeds maximum allowed");
  EXPECT_FALSE(read(R"({"error":{},"seq":3})").stored) << "an error outweighs a sequence";
}

TEST(Ack, NobodyThereIsNoAck) {
  EXPECT_THAT(read_ack("503", {}).why, HasSubstr("no stream"));
  EXPECT_THAT(read_ack("409", {}).why, HasSubstr("409"));
}

TEST(Ack, WhatIsNoAckIsNotTakenForOne) {
  for (const char* text : {"", "{}", "[]", "{\"seq\":", "{\"seq\":1", "{\"seq\":1}x",
                           "{\"seq\":-1}", "{\"seq\":\"1\"}", "+OK"}) {
    const Ack ack = read(text);
    EXPECT_FALSE(ack.stored) << text;
    EXPECT_THAT(ack.why, HasSubstr("no ack")) << text;
  }
}

}  // namespace
}  // namespace serin::agent
