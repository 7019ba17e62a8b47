#include "common/signing.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/file.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin {
namespace {

const std::string kPayload = "finished buffer \x01\x02";

mode_t mode_of(const std::filesystem::path& file) {
  struct stat facts{};
  EXPECT_EQ(::stat(file.c_str(), &facts), 0);
  return facts.st_mode & 07777;
}

/// A key in `<folder>/signing.key` and its ring.
struct SavedKey {
  TemporaryFolder folder;
  std::filesystem::path file = folder.path() / "signing.key";
  SigningKey key = SigningKey::generate().value();
  SavedKey() { SERIN_VERIFY(key.save(file)); }
  KeyRing ring() const { return KeyRing::load(folder.path()); }
};

TEST(Signing, ASavedKeySignsWhatItsPublicHalfVerifies) {
  const SavedKey saved;
  const auto loaded = SigningKey::load(saved.file);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->key_id(), saved.key.key_id());
  EXPECT_EQ(loaded->key_id().size(), 16u);
  const KeyRing ring = saved.ring();
  EXPECT_EQ(ring.size(), 1u);
  EXPECT_TRUE(ring.problems().empty());
  const auto signature = loaded->sign_command(as_bytes(kPayload));
  EXPECT_EQ(signature, saved.key.sign_command(as_bytes(kPayload)));
  EXPECT_TRUE(ring.verify_command(loaded->key_id(), as_bytes(kPayload), signature));
}

TEST(Signing, AnyChangedBitIsNoticed) {
  const SavedKey saved;
  const KeyRing ring = saved.ring();
  const auto signature = saved.key.sign_command(as_bytes(kPayload));
  for (size_t bit = 0; bit < kPayload.size() * 8; ++bit) {
    std::string changed = kPayload;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(ring.verify_command(saved.key.key_id(), as_bytes(changed), signature));
  }
  for (size_t bit = 0; bit < signature.size() * 8; ++bit) {
    auto changed = signature;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(ring.verify_command(saved.key.key_id(), as_bytes(kPayload), changed));
  }
}

TEST(Signing, AForeignKeyOrAWrongLengthIsNotVerified) {
  const SavedKey saved;
  const KeyRing ring = saved.ring();
  const auto other = SigningKey::generate().value();
  const auto signature = saved.key.sign_command(as_bytes(kPayload));
  EXPECT_FALSE(ring.verify_command(other.key_id(), as_bytes(kPayload), signature));
  EXPECT_FALSE(ring.verify_command(saved.key.key_id(), as_bytes(kPayload),
                                   other.sign_command(as_bytes(kPayload))));
  EXPECT_FALSE(
      ring.verify_command(saved.key.key_id(), as_bytes(kPayload), std::span(signature).first(63)));
  EXPECT_FALSE(ring.verify_command(saved.key.key_id(), as_bytes(kPayload), {}));
  EXPECT_FALSE(ring.verify_command("", as_bytes(kPayload), signature));
}

TEST(Signing, TheLargestCommandIsSignedAndALargerOneNeverVerified) {
  const SavedKey saved;
  const KeyRing ring = saved.ring();
  const Bytes largest(kMostSignedBytes, 0x5A);
  const Bytes larger(kMostSignedBytes + 1, 0x5A);
  const auto signature = saved.key.sign_command(largest);
  EXPECT_TRUE(ring.verify_command(saved.key.key_id(), largest, signature));
  EXPECT_FALSE(ring.verify_command(saved.key.key_id(), larger, signature));
  EXPECT_TRUE(ring.verify_command(saved.key.key_id(), {}, saved.key.sign_command({})));
}

/// RFC 8032's first test key, so that the signature is known to be plain Ed25519 over prefix and
/// payload.
TEST(Signing, ItIsEd25519OverPrefixAndPayload) {
  const TemporaryFolder folder;
  const auto file = folder.write("k", R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
)");
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  const auto key = SigningKey::load(file);
  ASSERT_TRUE(key) << key.error().message;
  const auto public_raw =
      from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").value();
  EXPECT_EQ(key->key_id(), hex(sha256(public_raw)).substr(0, 16));
  EXPECT_EQ(hex(key->sign_command(as_bytes("payload"))),
            "1d72c7ce74db1aec3a9ff41e144c89861284ae4fb0a6c9b7c9ec1c79550b4957a9b87af9be5c4e9beff02a"
            "aad37342c74f0ae80a36121e9bda976756eb7f6e00");
}

TEST(Signing, KeyFilesHaveTheModesTheyNeedAndAreNeverOverwritten) {
  const SavedKey saved;
  EXPECT_EQ(mode_of(saved.file), 0600u);
  EXPECT_EQ(mode_of(saved.file.native() + ".pub"), 0644u);
  const auto before = read_file(saved.file, 1000).value();
  const auto again = saved.key.save(saved.file);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("exists already"), std::string::npos);
  EXPECT_EQ(read_file(saved.file, 1000).value(), before);
  std::filesystem::remove(saved.file);
  EXPECT_FALSE(saved.key.save(saved.file)) << "the public file is still there";
  EXPECT_FALSE(std::filesystem::exists(saved.file)) << "no half of a pair is left";
}

TEST(Signing, AKeyThatOthersMayReadIsRefused) {
  const SavedKey saved;
  for (const mode_t mode : {0640u, 0604u, 0660u, 0644u}) {
    ASSERT_EQ(::chmod(saved.file.c_str(), mode), 0);
    const auto loaded = SigningKey::load(saved.file);
    ASSERT_FALSE(loaded) << mode;
    EXPECT_NE(loaded.error().message.find("chmod 600"), std::string::npos);
  }
}

TEST(Signing, ACredentialOfSystemdMayShowItsAclAsGroupRead) {
  const SavedKey saved;
  ASSERT_EQ(::chmod(saved.file.c_str(), 0440), 0);
  ASSERT_EQ(::setenv("CREDENTIALS_DIRECTORY", saved.folder.path().c_str(), 1), 0);
  EXPECT_TRUE(SigningKey::load(saved.file));
  ASSERT_EQ(::chmod(saved.file.c_str(), 0444), 0);
  EXPECT_FALSE(SigningKey::load(saved.file));
  ASSERT_EQ(::unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

TEST(Signing, WhatIsNoEd25519KeyIsNamed) {
  const SavedKey saved;
  const auto& folder = saved.folder;
  const auto junk = folder.write("junk.key", "not a key\n");
  std::filesystem::permissions(junk, std::filesystem::perms::owner_read);
  EXPECT_FALSE(SigningKey::load(junk));
  EXPECT_FALSE(SigningKey::load(folder.path() / "absent.key"));
  EXPECT_FALSE(SigningKey::load(folder.path()));

  folder.write("b.pub", "not a key\n");
  folder.write("c.pub", std::string(100'000, 'x'));
  std::filesystem::create_directory(folder.path() / "d.pub");
  folder.write("x25519.pub", R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEAaMYDc39fW0a04YJwMcf2VRLlthRHQq5wJWXsCkcFZUY=
-----END PUBLIC KEY-----
)");
  const KeyRing ring = saved.ring();
  EXPECT_EQ(ring.size(), 1u);
  EXPECT_TRUE(ring.knows(saved.key.key_id()));
  ASSERT_EQ(ring.problems().size(), 4u);
  EXPECT_NE(ring.problems()[0].find("b.pub holds no public key"), std::string::npos);
  EXPECT_NE(ring.problems()[1].find("c.pub is longer"), std::string::npos);
  EXPECT_NE(ring.problems()[2].find("d.pub is not a regular file"), std::string::npos);
  EXPECT_NE(ring.problems()[3].find("x25519.pub is not an Ed25519 key"), std::string::npos);
}

TEST(Signing, APublicKeyThatOthersMayWriteIsNotTrusted) {
  const SavedKey saved;
  ASSERT_EQ(::chmod((saved.file.native() + ".pub").c_str(), 0664), 0);
  const KeyRing ring = saved.ring();
  EXPECT_EQ(ring.size(), 0u);
  ASSERT_EQ(ring.problems().size(), 1u);
}

TEST(Signing, ARevokedKeyIsNotTrusted) {
  const SavedKey saved;
  const auto signature = saved.key.sign_command(as_bytes(kPayload));
  saved.folder.write("revoked",
                     "# lost laptop\n\n  " + saved.key.key_id() + "  # 2026\nnonsense\n");
  const KeyRing ring = saved.ring();
  EXPECT_FALSE(ring.knows(saved.key.key_id()));
  EXPECT_FALSE(ring.verify_command(saved.key.key_id(), as_bytes(kPayload), signature));
  ASSERT_EQ(ring.problems().size(), 1u);
  EXPECT_NE(ring.problems()[0].find("revoked:4: not a key id"), std::string::npos);
}

TEST(Signing, WithoutAReadableListOfRevokedKeysNoneIsTrusted) {
  const SavedKey saved;
  std::filesystem::create_directory(saved.folder.path() / "revoked");
  const KeyRing ring = saved.ring();
  EXPECT_EQ(ring.size(), 0u);
  EXPECT_EQ(ring.problems().size(), 1u);
}

TEST(Signing, AnAbsentFolderIsAnEmptyRing) {
  const KeyRing ring = KeyRing::load("/nonexistent/keys.d");
  EXPECT_EQ(ring.size(), 0u);
  EXPECT_TRUE(ring.problems().empty());
}

}  // namespace
}  // namespace serin
