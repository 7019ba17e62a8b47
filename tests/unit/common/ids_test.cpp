#include "common/ids.h"

#include <gtest/gtest.h>

#include <random>

namespace serin {
namespace {

std::string hex_of(std::string_view text) {
  return hex(as_bytes(text));
}

TEST(Ids, ServiceNamesAreWhatASubjectAndAFileNameCanHold) {
  for (const auto* name : {"a", "api", "api-2", "api_v2", "0", "9-"}) {
    EXPECT_TRUE(is_service_name(name)) << name;
  }
  for (const auto* name : {"", "_host", "-a", "Api", "a.b", "a b", "a/b", "a*", "\xC3\xA4", "a>"}) {
    EXPECT_FALSE(is_service_name(name)) << name;
  }
  EXPECT_TRUE(is_service_name(std::string(63, 'a')));
  EXPECT_FALSE(is_service_name(std::string(64, 'a')));
}

TEST(Ids, VersionsAreShortTextWithoutControlCharacters) {
  for (const auto* version :
       {"1.4.3", "v1/2", ".x", "2026-11-20 \xC3\xA4\xE2\x82\xAC\xF0\x9F\x9A\x80"}) {
    EXPECT_TRUE(is_version(version)) << version;
  }
  EXPECT_TRUE(is_version(std::string(128, 'x')));
  EXPECT_FALSE(is_version(""));
  EXPECT_FALSE(is_version(std::string(129, 'x')));
  EXPECT_FALSE(is_version("a\nb"));
  EXPECT_FALSE(is_version(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_version("a\x7F"));
  EXPECT_FALSE(is_version("a\xC2\x85")) << "C1 control character";
}

TEST(Ids, BrokenUtf8IsNoVersion) {
  for (const auto* bytes :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC3", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xE2\x82", "\xE2\x28\xA1"}) {
    EXPECT_FALSE(is_version(bytes)) << hex_of(bytes);
  }
  for (const auto* bytes : {"\xC2\xA0", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                            "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_version(bytes)) << hex_of(bytes);
  }
}

TEST(Ids, AReleaseNameIsOneVisiblePathComponent) {
  EXPECT_TRUE(is_release_name("20261120-1.4.3"));
  for (const auto* name : {"", ".", "..", ".hidden", "a/b", "/a", "a/"}) {
    EXPECT_FALSE(is_release_name(name)) << name;
  }
}

TEST(Ids, AHostIdIsUpToSixtyFourBytes) {
  EXPECT_TRUE(is_host_id("web-00.example.org"));
  EXPECT_TRUE(is_host_id(std::string(64, 'h')));
  EXPECT_FALSE(is_host_id(""));
  EXPECT_FALSE(is_host_id(std::string(65, 'h')));
  EXPECT_FALSE(is_host_id("web\t1"));
}

TEST(Ids, AHostTokenEscapesWhatASubjectCannotHold) {
  EXPECT_EQ(host_token("web-00_a"), "web-00_a");
  EXPECT_EQ(host_token("web-00.example.org"), "web-00=2Eexample=2Eorg");
  EXPECT_EQ(host_token("Web *>="), "=57eb=20=2A=3E=3D");
  EXPECT_EQ(host_token("\xC3\xA4"), "=C3=A4");
}

TEST(Ids, EveryHostIdComesBackFromItsToken) {
  std::mt19937_64 random(11);
  const std::string_view alphabet = "abz059_-.=*> AZ/~";
  for (int round = 0; round < 5'000; ++round) {
    std::string host(1 + random() % 64, ' ');
    for (char& c : host) c = alphabet[random() % alphabet.size()];
    const auto back = host_from_token(host_token(host));
    ASSERT_TRUE(back) << host << ": " << back.error().message;
    EXPECT_EQ(*back, host);
    EXPECT_EQ(host_token(host).find_first_of(".*> "), std::string::npos);
  }
}

TEST(Ids, ATokenThatNobodyMadeIsRefused) {
  for (const auto* token : {"", "a.b", "Web", "=2e", "=2", "=", "a=", "=61", "=ZZ", "=0A", "=C3",
                            "a b", "=2F=", "=+1"}) {
    EXPECT_FALSE(host_from_token(token)) << token;
  }
  EXPECT_FALSE(host_from_token(std::string(65, 'a')));
  EXPECT_FALSE(host_from_token(std::string(100'000, 'a')));
}

TEST(Ids, Base36CountsWithDigitsAndLetters) {
  EXPECT_EQ(base36(0), "0");
  EXPECT_EQ(base36(35), "z");
  EXPECT_EQ(base36(36), "10");
  EXPECT_EQ(base36(1'795'176'000'000), "mwoxfuo0");
  EXPECT_EQ(base36(~uint64_t{0}), "3w5e11264sgsf");
}

TEST(Ids, ADeployIsNamedByServiceAndOpeningTime) {
  EXPECT_EQ(deploy_id("api", 1'795'176'000'000), "api-mwoxfuo0");
  EXPECT_EQ(deploy_id("api", 0), "api-0");
}

TEST(Ids, ACommandIdIsHalfOfADigestOverWhatItIsFor) {
  // printf 'api-mwoxfuo0|web-07|api|rollback|1' | sha256sum | cut -c1-32
  EXPECT_EQ(command_id("api-mwoxfuo0", "web-07", "api", "rollback", 1),
            "5c72c3072696d13bfcc32e536320bd98");
  EXPECT_NE(command_id("api-mwoxfuo0", "web-07", "api", "rollback", 2),
            command_id("api-mwoxfuo0", "web-07", "api", "rollback", 1));
}

TEST(Ids, HmacKnowsTheTestVectors) {
  // RFC 4231, test case 2.
  EXPECT_EQ(hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Ids, HexGoesBothWays) {
  const Bytes bytes = {0x00, 0x7F, 0xAB, 0xFF};
  EXPECT_EQ(hex(bytes), "007fabff");
  EXPECT_EQ(from_hex("007fABff").value(), bytes);
  EXPECT_TRUE(from_hex("").value().empty());
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_FALSE(from_hex(" 0"));
}

TEST(Ids, SecretsAreEqualOnlyByteForByte) {
  EXPECT_TRUE(equal_secret("", ""));
  EXPECT_TRUE(equal_secret("token", "token"));
  EXPECT_FALSE(equal_secret("token", "tokeN"));
  EXPECT_FALSE(equal_secret("token", "toke"));
}

}  // namespace
}  // namespace serin
