#include "common/sha256.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <string>

#include "common/ids.h"

namespace serin {
namespace {

TEST(Sha256, KnowsTheTestVectors) {
  EXPECT_EQ(hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // FIPS 180-4's long example.
  EXPECT_EQ(hex(sha256(as_bytes(std::string(1'000'000, 'a')))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, AgreesWithLibcryptoAtEveryLengthAroundItsBlocks) {
  std::string text;
  for (size_t length = 0; length <= 300; ++length) {
    std::array<uint8_t, 32> expected{};
    SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), expected.data());
    EXPECT_EQ(sha256(as_bytes(text)), expected) << length << " bytes";
    text += static_cast<char>(length * 37 + 11);
  }
}

}  // namespace
}  // namespace serin
