#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/config.h"
#include "common/file.h"
#include "common/ids.h"
#include "common/signing.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/ctl/string_console.h"

namespace serin::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

mode_t mode_of(const std::filesystem::path& file) {
  struct stat facts {};
  return ::stat(file.c_str(), &facts) == 0 ? facts.st_mode & 07777 : 0;
}

std::string text_of(const std::filesystem::path& file) {
  return read_file(file, 1 << 20).value_or("unreadable");
}

TEST(KeysInit, AHostThatHasThePublicHalfTrustsWhatTheKeySigns) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "signing.key";
  StringConsole console;
  ASSERT_EQ(serinctl({"keys", "init", "--out", file}, console), Exit::done) << console.complained;
  EXPECT_EQ(mode_of(file), 0600u);

  const auto key = SigningKey::load(file);
  ASSERT_TRUE(key) << key.error().message;
  const Bytes payload = {1, 2, 3};
  const auto signature = key->sign_command(payload);
  const KeyRing ring = KeyRing::load(folder.path());  // holds signing.key.pub
  EXPECT_TRUE(ring.verify_command(key->key_id(), payload, signature));
  EXPECT_THAT(console.said, HasSubstr(key->key_id()));
}

TEST(KeysInit, AKeyThatIsThereIsNeverOverwritten) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "signing.key";
  StringConsole console;
  ASSERT_EQ(serinctl({"keys", "init", "--out", file}, console), Exit::done);
  const std::string before = text_of(file), before_public = text_of(file.native() + ".pub");
  EXPECT_EQ(serinctl({"keys", "init", "--out", file}, console), Exit::failed);
  EXPECT_THAT(console.complained, HasSubstr("exists already"));
  EXPECT_EQ(text_of(file), before);
  EXPECT_EQ(text_of(file.native() + ".pub"), before_public);
}

TEST(KeysInit, APublicKeyThatIsThereIsNeverOverwrittenEither) {
  const TemporaryFolder folder;
  folder.write("signing.key.pub", "somebody's");
  StringConsole console;
  EXPECT_EQ(serinctl({"keys", "init", "--out", folder.path() / "signing.key"}, console),
            Exit::failed);
  EXPECT_EQ(text_of(folder.path() / "signing.key.pub"), "somebody's");
}

TEST(KeysShow, TellsTheIdAndThePublicHalfAndNeverTheSecret) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "signing.key";
  StringConsole made, shown, json;
  ASSERT_EQ(serinctl({"keys", "init", "--out", file}, made), Exit::done);
  ASSERT_EQ(serinctl({"keys", "show", "--key", file}, shown), Exit::done);
  EXPECT_THAT(shown.said, HasSubstr(text_of(file.native() + ".pub")));
  EXPECT_THAT(shown.said, Not(HasSubstr("PRIVATE")));
  ASSERT_EQ(serinctl({"--output", "json", "keys", "show", "--key", file}, json), Exit::done);
  EXPECT_THAT(json.said, HasSubstr("\"key_id\":\"" + SigningKey::load(file)->key_id() + "\""));
  EXPECT_EQ(serinctl({"keys", "show", "--key", folder.path() / "none"}, shown), Exit::failed);
}

struct Stored {
  std::string name, role, sha256;
};

std::vector<Stored> tokens_in(const std::filesystem::path& file) {
  std::vector<Stored> found;
  auto root = ConfigTable::parse_file(file);
  if (!root) return found;
  for (ConfigTable& token : root->tables("token")) {
    found.push_back({token.string("name").value_or(""), token.string("role").value_or(""),
                     token.string("sha256").value_or("")});
  }
  return root->finish() ? found : std::vector<Stored>{};
}

TEST(KeysToken, TheTokenIsShownOnceAndOnlyItsHashIsKept) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "tokens.toml";
  StringConsole console;
  ASSERT_EQ(
      serinctl({"keys", "token", "--role", "operator", "--name", "anna \"a\" \\", "--tokens", file},
               console),
      Exit::done)
      << console.complained;
  const std::string token = console.said.substr(0, console.said.size() - 1);
  EXPECT_EQ(token.size(), 64u);
  const auto stored = tokens_in(file);
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].name, "anna \"a\" \\");
  EXPECT_EQ(stored[0].role, "operator");
  EXPECT_EQ(stored[0].sha256, hex(sha256(as_bytes(token))));
  EXPECT_THAT(text_of(file), Not(HasSubstr(token)));
  EXPECT_EQ(mode_of(file), 0600u);
}

TEST(KeysToken, TokensThatAreThereStay) {
  const TemporaryFolder folder;
  const auto file = folder.write("tokens.toml",
                                 "# ours\n[[token]]\nname = \"viewer-1\"\nrole = \"viewer\"\n"
                                 "sha256 = \"00\"");
  StringConsole console;
  for (const char* role : {"viewer", "admin"}) {
    ASSERT_EQ(serinctl({"keys", "token", "--role", role, "--tokens", file}, console), Exit::done)
        << console.complained;
  }
  const auto stored = tokens_in(file);
  ASSERT_EQ(stored.size(), 3u);
  EXPECT_EQ(stored[1].name, "viewer-2");
  EXPECT_EQ(stored[2].name, "admin-1");
  EXPECT_THAT(text_of(file), HasSubstr("# ours"));
}

TEST(KeysToken, ANameIsGivenOnce) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "tokens.toml";
  StringConsole console;
  const std::vector<std::string> words = {"keys",   "token", "--role",   "viewer",
                                          "--name", "ci",    "--tokens", file};
  ASSERT_EQ(serinctl(words, console), Exit::done);
  EXPECT_EQ(serinctl(words, console), Exit::failed);
  EXPECT_THAT(console.complained, HasSubstr("\"ci\" already"));
  EXPECT_EQ(tokens_in(file).size(), 1u);
}

TEST(KeysToken, AFileThatTheAggregatorWouldRefuseIsLeftAlone) {
  const TemporaryFolder folder;
  const auto file = folder.write("tokens.toml", "[[tokens]]\nname = \"x\"\n");
  StringConsole console;
  EXPECT_EQ(serinctl({"keys", "token", "--role", "viewer", "--tokens", file}, console),
            Exit::failed);
  EXPECT_THAT(console.complained, HasSubstr("tokens.toml"));
  EXPECT_EQ(text_of(file), "[[tokens]]\nname = \"x\"\n");
}

TEST(CommandLine, WordsThatMakeNoSenseAreAUsageError) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"dance"},
                                                {"keys"},
                                                {"keys", "token"},
                                                {"keys", "token", "--role", "king"},
                                                {"--output", "xml", "keys", "show"},
                                                {"keys", "show", "--what"}}) {
    StringConsole console;
    EXPECT_EQ(serinctl(words, console), Exit::usage) << testing::PrintToString(words);
    EXPECT_NE(console.complained, "");
    EXPECT_EQ(console.said, "");
  }
}

TEST(CommandLine, HelpIsAnAnswer) {
  StringConsole console;
  EXPECT_EQ(serinctl({"--help"}, console), Exit::done);
  EXPECT_THAT(console.said, HasSubstr("keys"));
  EXPECT_EQ(console.complained, "");
}

TEST(CommandLine, AnAnswerThatCouldNotBeWrittenIsAFailure) {
  const TemporaryFolder folder;
  StringConsole console;
  console.broken = true;
  EXPECT_EQ(serinctl({"keys", "init", "--out", folder.path() / "k"}, console), Exit::failed);
}

}  // namespace
}  // namespace serin::ctl
