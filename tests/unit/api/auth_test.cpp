#include "aggregator/api/auth.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "aggregator/api/listen.h"
#include "common/ids.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin::aggregator {
namespace {

std::string entry(const std::string& name, const std::string& role, const std::string& token) {
  return "[[token]]\nname = \"" + name + "\"\nrole = \"" + role + "\"\nsha256 = \"" +
         hex(sha256(as_bytes(token))) + "\"\n";
}

class AuthTest : public ::testing::Test {
 protected:
  Result<Auth> load(const std::string& text) {
    const auto file = folder_.write("tokens.toml", text);
    ::chmod(file.c_str(), 0600);
    return Auth::load(file);
  }
  std::string refusal(const std::string& text) {
    auto auth = load(text);
    return auth ? "accepted" : auth.error().message;
  }
  TemporaryFolder folder_;
};

TEST_F(AuthTest, ATokenIsKnownByItsDigest) {
  const Auth auth =
      load(entry("anna", "operator", "s3cret") + entry("ci", "viewer", "other")).value();
  const auto anna = auth.identify("Bearer s3cret");
  ASSERT_TRUE(anna.has_value());
  EXPECT_EQ(anna->name, "anna");
  EXPECT_EQ(anna->role, Role::operator_);
  EXPECT_EQ(auth.identify("bearer   other")->role, Role::viewer)
      << "the scheme's case does not matter";
}

TEST_F(AuthTest, AnythingElseIsNobody) {
  const Auth auth = load(entry("anna", "admin", "s3cret")).value();
  const std::string digest = hex(sha256(as_bytes("s3cret")));
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string("s3cret"),
        std::string("Basic s3cret"), std::string("Bearer s3cre"), std::string("Bearer s3cret "),
        "Bearer " + digest, std::string("Bearers3cret")}) {
    EXPECT_FALSE(auth.identify(header).has_value()) << header;
  }
  EXPECT_FALSE(Auth::without_tokens().identify("Bearer s3cret").has_value());
}

TEST_F(AuthTest, MistakesAreNamed) {
  EXPECT_NE(refusal("").find("token"), std::string::npos);
  EXPECT_NE(refusal(entry("anna", "root", "x")).find("must be \"viewer\""), std::string::npos);
  EXPECT_NE(refusal(entry("anna", "admin", "x") + entry("anna", "admin", "y")).find("twice"),
            std::string::npos);
  EXPECT_NE(refusal("[[token]]\nname=\"a\"\nrole=\"admin\"\nsha256=\"plain\"\n").find("sha256"),
            std::string::npos);
  EXPECT_NE(refusal(entry("anna", "admin", "x") + "tokn = 1\n").find("tokn"), std::string::npos);
  EXPECT_FALSE(Auth::load(folder_.path() / "absent.toml").has_value());
}

TEST_F(AuthTest, AFileThatOthersMayWriteIsRefused) {
  const auto file = folder_.write("tokens.toml", entry("anna", "admin", "x"));
  ::chmod(file.c_str(), 0666);
  auto auth = Auth::load(file);
  ASSERT_FALSE(auth.has_value());
  EXPECT_NE(auth.error().message.find("chmod"), std::string::npos);
}

TEST(Listen, TakesNumbersAndLocalhost) {
  EXPECT_EQ(parse_listen("127.0.0.1:8420")->port, 8420);
  EXPECT_TRUE(parse_listen("localhost:1")->loopback());
  EXPECT_TRUE(parse_listen("[::1]:8420")->loopback());
  EXPECT_FALSE(parse_listen("0.0.0.0:8420")->loopback());
  EXPECT_FALSE(parse_listen("[::]:8420")->loopback());
  for (const char* text : {"", "8420", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x",
                           "serin.example:80", "127.0.0.1:-1", "127.0.0.1: 80"}) {
    EXPECT_FALSE(parse_listen(text).has_value()) << text;
  }
}

TEST(Listen, APortThatIsTakenIsAClearError) {
  const auto first = listen_on({.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(first.has_value());
  const auto second = listen_on({.host = "127.0.0.1", .port = first->port});
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().message.find(std::to_string(first->port)), std::string::npos)
      << second.error().message;
}

}  // namespace
}  // namespace serin::aggregator
