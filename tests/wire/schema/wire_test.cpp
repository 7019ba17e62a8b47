#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/wire/schema/codec.h"

// Promises of every reader, for every message.

namespace serin::test {
namespace {

using testing::HasSubstr;

template <typename Message>
class Wire : public testing::Test {
 protected:
  Bytes encoded(uint64_t seed) {
    Generator generator(seed);
    return wire::encode(Codec<Message>::make(generator));
  }
};

using Messages = testing::Types<Sample, Event, Control, Command, SignedCommand, Decision,
                                HelperRequest, HelperReply>;
TYPED_TEST_SUITE(Wire, Messages);

TYPED_TEST(Wire, WhatWasWrittenIsRead) {
  Generator generator(1);
  for (int i = 0; i < 300; ++i) {
    const TypeParam message = Codec<TypeParam>::make(generator);
    const auto outcome = Codec<TypeParam>::check(message);
    ASSERT_TRUE(outcome) << outcome.error().message;
    const auto read = Codec<TypeParam>::decode(wire::encode(message));
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(*read, message);
  }
}

TYPED_TEST(Wire, ATornMessageIsAnErrorOrWhole) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const Bytes whole = this->encoded(seed);
    for (size_t length = 0; length < whole.size(); ++length) {
      const Bytes torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      ASSERT_EQ(broken_promise<TypeParam>(torn), "") << "at " << length;
    }
  }
}

TYPED_TEST(Wire, HalfAMessageIsNeverAMessage) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Bytes whole = this->encoded(seed);
    const auto read = Codec<TypeParam>::decode(std::span(whole).first(whole.size() / 2));
    EXPECT_FALSE(read);
  }
}

TYPED_TEST(Wire, AFlippedByteIsAnErrorOrAValidMessage) {
  for (uint64_t seed = 0; seed < 2; ++seed) {
    Bytes bytes = this->encoded(seed);
    for (uint8_t& byte : bytes) {
      for (const uint8_t flip : Bytes{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF}) {
        byte ^= flip;
        ASSERT_EQ(broken_promise<TypeParam>(bytes), "") << "byte " << &byte - bytes.data();
        byte ^= flip;
      }
    }
  }
}

TYPED_TEST(Wire, RandomBytesBehindTheRightIdentifierAreHarmless) {
  Generator generator(5);
  const Bytes real = this->encoded(5);
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes(8 + generator.below(200));
    for (uint8_t& byte : bytes)
      byte = static_cast<uint8_t>(generator.below(generator.coin() ? 256 : 16));
    std::copy(real.begin() + 4, real.begin() + 8, bytes.begin() + 4);
    ASSERT_EQ(broken_promise<TypeParam>(bytes), "");
  }
}

TYPED_TEST(Wire, AMessageMayBeginAtAnyAddress) {
  const Bytes message = this->encoded(6);
  for (size_t shift = 0; shift < 8; ++shift) {
    Bytes shifted(shift + message.size());
    std::ranges::copy(message, shifted.begin() + static_cast<std::ptrdiff_t>(shift));
    EXPECT_TRUE(Codec<TypeParam>::decode(std::span(shifted).subspan(shift))) << shift;
  }
}

TYPED_TEST(Wire, AnUnknownIdentifierIsUnsupported) {
  Bytes message = this->encoded(7);
  message[7] = '9';
  const auto read = Codec<TypeParam>::decode(message);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("unsupported"));
}

TYPED_TEST(Wire, AMessageBeyondItsLimitIsRefusedUnread) {
  Bytes message = this->encoded(8);
  message.resize(Codec<TypeParam>::kMostBytes + 1);
  const auto read = Codec<TypeParam>::decode(message);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("more than"));
}

TYPED_TEST(Wire, NothingIsNoMessage) {
  EXPECT_FALSE(Codec<TypeParam>::decode({}));
  const Bytes zeros(64);
  EXPECT_FALSE(Codec<TypeParam>::decode(zeros));
}

}  // namespace
}  // namespace serin::test
