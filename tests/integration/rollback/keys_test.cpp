#include <gtest/gtest.h>
#include <sys/stat.h>

#include <utility>

#include "tests/integration/rollback/helper_process.h"

// Keys are changed under the feet of a helper that runs on: nobody has to restart it.

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

class KeysTest : public testing::Test {
 protected:
  KeysTest()
      : process(host), old_key(std::move(host.key)), new_key(SigningKey::generate().value()) {
    host.start("v2");
    process.start();
  }
  /// A command that would be carried out, did the target exist: refused for its key, or for the
  /// target.
  Refusal refusal_of(SigningKey& key) {
    host.key = key;
    const auto reply =
        talk(process.socket(), host.execute_request(host.command("v2", "absent", ordinal_++)));
    EXPECT_TRUE(reply) << reply.error().message;
    if (!reply) return Refusal::none;
    text = reply->text;
    return reply->refusal;
  }
  [[nodiscard]] fs::path keys() const { return host.settings.keys; }
  void revoke(const SigningKey& key) {
    write_text(keys() / "revoked", "# lost laptop\n" + key.key_id() + "\n");
  }

  TestHost host;
  HelperProcess process;
  SigningKey old_key, new_key;
  std::string text;

 private:
  int ordinal_ = 0;
};

TEST_F(KeysTest, ANewKeyIsTrustedBesideTheOldOneAsSoonAsItLiesThere) {
  EXPECT_EQ(refusal_of(new_key), Refusal::key) << text;
  write_text(keys() / "fleet-2027.pub", new_key.public_pem());
  EXPECT_EQ(refusal_of(new_key), Refusal::target) << text;
  EXPECT_EQ(refusal_of(old_key), Refusal::target) << text;
}

TEST_F(KeysTest, ARevokedKeyIsRefusedAtOnceAndTheOtherGoesOn) {
  write_text(keys() / "fleet-2027.pub", new_key.public_pem());
  revoke(old_key);
  EXPECT_EQ(refusal_of(old_key), Refusal::key) << text;
  EXPECT_EQ(refusal_of(new_key), Refusal::target) << text;
}

TEST_F(KeysTest, AKeyWhoseFileIsTakenAwayIsRefusedAtOnce) {
  write_text(keys() / "fleet-2027.pub", new_key.public_pem());
  fs::remove(keys() / "fleet.pub");
  EXPECT_EQ(refusal_of(old_key), Refusal::key) << text;
  EXPECT_EQ(refusal_of(new_key), Refusal::target) << text;
}

TEST_F(KeysTest, AListOfRevokedKeysThatCannotBeTrustedLeavesNoKeyValid) {
  revoke(new_key);
  ::chmod((keys() / "revoked").c_str(), 0666);
  EXPECT_EQ(refusal_of(old_key), Refusal::key) << text;
  fs::remove(keys() / "revoked");
  fs::create_directory(keys() / "revoked");
  EXPECT_EQ(refusal_of(old_key), Refusal::key) << text;
}

TEST_F(KeysTest, AKeyFileThatIsTornIsLeftOutAndTheOthersGoOn) {
  write_text(keys() / "torn.pub", new_key.public_pem().substr(0, 40));
  EXPECT_EQ(refusal_of(old_key), Refusal::target) << text;
  EXPECT_EQ(refusal_of(new_key), Refusal::key) << text;
}

TEST_F(KeysTest, AnActionThatBeganUnderAKeyIsFinishedAfterItsRevocation) {
  host.key = old_key;
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  revoke(old_key);
  EXPECT_EQ(run_helper(host, {"--run", "api"}), 0);
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.running(), "v1") << "half a rollback would be worse than one";
}

TEST_F(KeysTest, AHoldCountsForAHelperThatRunsOn) {
  write_text(host.settings.hold / "hold", "audit\n");
  EXPECT_EQ(refusal_of(old_key), Refusal::held);
  fs::remove(host.settings.hold / "hold");
  EXPECT_EQ(refusal_of(old_key), Refusal::target) << text;
  fs::create_directory(host.settings.hold / "hold.d");
  ASSERT_EQ(::symlink("/nowhere", (host.settings.hold / "hold.d/api").c_str()), 0);
  EXPECT_EQ(refusal_of(old_key), Refusal::held) << "a link that leads nowhere is a hold too";
}

}  // namespace
}  // namespace serin::helper
