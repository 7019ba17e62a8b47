#include "agent/rollback/flag.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "agent/rollback/action.h"
#include "agent/rollback/owner.h"
#include "schema/flag_reason.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kDeployUser = 12345;
constexpr const char* kTemporary = ".serin-0123456789abcdef";
constexpr std::string_view kFlags = R"({
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {
    "other":  {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"},
    "new-checkout": {
        "state" : "ENABLED",   "variants": {"on": true, "o\u0066f": false},
        "defaultVariant": "on", "metadata": {"price": 1.10, "big": 12345678901234567890123}
    }
  }
})";

class FlagTest : public testing::Test {
 protected:
  FlagTest() { put(kFlags); }
  void put(std::string_view text) { write_text(flag().file, text, 0640); }
  [[nodiscard]] ServiceFile::Flag flag() const {
    return {.file = host.root() / "flags.json", .name = "new-checkout", .variant = "off"};
  }
  [[nodiscard]] ServiceFile::Flag disabled() const {
    auto same = flag();
    same.variant.clear();
    return same;
  }
  /// What stands in the way; "" when nothing does.
  static std::string fault(const ServiceFile::Flag& flag) {
    const auto possible = check_flag(flag);
    return possible ? "" : possible.error().message;
  }
  [[nodiscard]] std::string by_flag(std::string_view more = {}) const {
    return "[[rollback]]\naction = \"flag\"\nfile = \"" + flag().file.native() +
           "\"\nflag = \"new-checkout\"\nvariant = \"off\"\nhealthy = { http = \"" +
           host.health_url() + "\", within = \"5s\" }\n" + std::string(more);
  }
  void run() {
    StepObserver observer;
    const auto done = run_action("api", host.settings, host.clock, observer);
    ASSERT_TRUE(done) << done.error().message;
  }

  TestHost host;
};

TEST_F(FlagTest, OnlyItsOwnValueChangesAndEveryOtherByteStays) {
  ASSERT_EQ(fault(flag()), "");
  ASSERT_TRUE(turn_flag_off(flag(), kTemporary));
  auto expected = std::string(kFlags);
  expected.replace(expected.rfind("\"on\","), 4, "\"off\"");
  EXPECT_EQ(read_text(flag().file), expected);
  EXPECT_TRUE(flag_is_off(flag()).value());
  EXPECT_FALSE(fs::exists(host.root() / kTemporary));
}

TEST_F(FlagTest, ItsStateIsDisabledOrAddedWhereItHasNone) {
  ASSERT_TRUE(turn_flag_off(disabled(), kTemporary));
  EXPECT_NE(read_text(flag().file).find("\"state\" : \"DISABLED\",   \"variants\""),
            std::string::npos);
  put(R"({"flags": {"new-checkout": {}}})");
  EXPECT_FALSE(flag_is_off(disabled()).value());
  ASSERT_TRUE(turn_flag_off(disabled(), kTemporary));
  EXPECT_EQ(read_text(flag().file), R"({"flags": {"new-checkout": {"state": "DISABLED"}}})");
  EXPECT_TRUE(flag_is_off(flag()).value()) << "disabled is off, whatever the variant";
}

TEST_F(FlagTest, WhatIsNotThereIsNamed) {
  auto unknown = flag();
  unknown.name = "old-checkout";
  EXPECT_NE(fault(unknown).find("flags.json: holds no flag \"old-checkout\""), std::string::npos);
  unknown = flag();
  unknown.variant = "blue";
  EXPECT_NE(fault(unknown).find("flag \"new-checkout\" has no variant \"blue\""),
            std::string::npos);
  for (const char* text :
       {"", "{", "[]", "null", R"({"flags": []})", R"({"flags": {"new-checkout": 1}})"}) {
    put(text);
    EXPECT_NE(fault(flag()), "") << text;
    EXPECT_FALSE(turn_flag_off(flag(), kTemporary)) << text;
    EXPECT_EQ(read_text(flag().file), text);
  }
  put(std::string(5000, '['));
  EXPECT_NE(fault(flag()).find("is no JSON"), std::string::npos);
  fs::remove(flag().file);
  EXPECT_NE(fault(flag()).find("No such file"), std::string::npos);
}

TEST_F(FlagTest, ATargetingRuleThatWouldChoosePastTheVariantIsToldHowToDealWith) {
  put(R"({"flags": {"new-checkout": {"variants": {"off": 0}, "targeting": {"if": [true, "on"]}}}})");
  EXPECT_NE(fault(flag()).find("configure state = \"DISABLED\" instead"), std::string::npos);
  EXPECT_EQ(fault(disabled()), "");
}

TEST_F(FlagTest, OneThatIsOffAlreadyCannotHelp) {
  ASSERT_TRUE(turn_flag_off(flag(), kTemporary));
  EXPECT_NE(fault(flag()).find("is off already"), std::string::npos);
  EXPECT_TRUE(turn_flag_off(flag(), kTemporary)) << "done before the action was interrupted";
}

TEST_F(FlagTest, WhatIsNoPlainFileIsNotTouched) {
  fs::rename(flag().file, host.root() / "real.json");
  fs::create_symlink("real.json", flag().file);
  EXPECT_NE(fault(flag()).find("is a symlink: name the file itself"), std::string::npos);
  fs::remove(flag().file);
  fs::create_hard_link(host.root() / "real.json", flag().file);
  EXPECT_NE(fault(flag()).find("has a second name"), std::string::npos);
  fs::remove(flag().file);
  ASSERT_EQ(::mkfifo(flag().file.c_str(), 0600), 0);
  EXPECT_NE(fault(flag()).find("is no regular file"), std::string::npos)
      << "and nobody waits for it";
  fs::remove(flag().file);
  fs::create_directory(flag().file);
  EXPECT_NE(fault(flag()), "");
}

TEST_F(FlagTest, OwnerGroupAndModeStay) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a second user";
  const auto mine = host.root() / "mine";
  fs::create_directory(mine);
  ASSERT_EQ(::chown(mine.c_str(), kDeployUser, kDeployUser), 0);
  auto owned = flag();
  owned.file = mine / "flags.json";
  fs::rename(flag().file, owned.file);
  ASSERT_EQ(::chown(owned.file.c_str(), kDeployUser, 4321), 0);
  ASSERT_TRUE(turn_flag_off(owned, kTemporary)) << turn_flag_off(owned, kTemporary).error().message;
  struct stat facts{};
  ASSERT_EQ(::stat(owned.file.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_uid, kDeployUser);
  EXPECT_EQ(facts.st_gid, 4321U);
  EXPECT_EQ(facts.st_mode & 07777, 0640U);
  EXPECT_TRUE(flag_is_off(owned).value());
}

TEST_F(FlagTest, InAFolderOfAUsersNothingIsDoneThatTheUserCouldNotDo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a second user";
  const auto mine = host.root() / "mine";
  fs::create_directory(mine);
  auto owned = flag();
  owned.file = mine / "flags.json";
  fs::copy_file(flag().file, owned.file);
  ASSERT_EQ(::chown(mine.c_str(), kDeployUser, kDeployUser), 0);
  EXPECT_NE(fault(owned).find("is root's, but others may put another file there"),
            std::string::npos);

  // The user leads the way into a folder of root's, to a file that happens to be the user's.
  const auto roots = host.root() / "roots";
  fs::create_directory(roots);
  fs::copy_file(flag().file, roots / "flags.json");
  ASSERT_EQ(::chown((roots / "flags.json").c_str(), kDeployUser, kDeployUser), 0);
  fs::create_symlink(roots, mine / "way");
  owned.file = mine / "way" / "flags.json";
  EXPECT_NE(fault(owned).find("a symlink stands in the way"), std::string::npos) << fault(owned);
  EXPECT_FALSE(turn_flag_off(owned, kTemporary));

  // A folder of root's that the user may enter and not write: no file is made there.
  const auto below = mine / "below";
  fs::create_directory(below);
  fs::copy_file(flag().file, below / "flags.json");
  ASSERT_EQ(::chown((below / "flags.json").c_str(), kDeployUser, kDeployUser), 0);
  owned.file = below / "flags.json";
  const auto turned = turn_flag_off(owned, kTemporary);
  ASSERT_FALSE(turned);
  EXPECT_NE(turned.error().message.find("cannot make a file beside it: Permission denied"),
            std::string::npos)
      << turned.error().message;
  EXPECT_EQ(read_text(owned.file), kFlags);
}

TEST_F(FlagTest, AsOwnerRootHasNoMoreRightsThanTheOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto secret = host.root() / "secret";
  write_text(secret, "x", 0600);
  {
    const auto rights = AsOwner::begin(kDeployUser);
    ASSERT_TRUE(rights);
    EXPECT_EQ(read_text(secret), "");
  }
  EXPECT_EQ(read_text(secret), "x") << "and has them back afterwards";
}

TEST_F(FlagTest, TheVersionRunsOnWithoutTheFlag) {
  host.start("v2");
  host.describe(by_flag());
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run();
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(TestHost::steps(status), "accepted preflight switched restarted healthy verified");
  EXPECT_TRUE(tells_of_flag(status.text)) << status.text;
  EXPECT_TRUE(status.text.ends_with("is off, v2 runs on")) << status.text;
  EXPECT_TRUE(flag_is_off(flag()).value());
  EXPECT_EQ(host.running(), "v2");
  EXPECT_EQ(host.starts_of("v2"), 1) << "it was not restarted";
}

TEST_F(FlagTest, WhereARestartIsConfiguredTheSameVersionStartsAnew) {
  host.start("v2");
  host.describe(by_flag("restart = { command = [\"" + host.restart_script().native() + "\"] }\n"));
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.starts_of("v2"), 2);
  EXPECT_EQ(host.selected(), "v2");
}

TEST_F(FlagTest, ATargetThatIsGoneDoesNotKeepAFlagOn) {
  host.start("v2");
  fs::remove_all(host.root() / "releases/v1");
  host.describe(by_flag() + host.by_symlink());
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
}

TEST_F(FlagTest, OneThatIsOffAlreadyLeavesItToTheNextAction) {
  host.start("v2");
  host.describe(by_flag() + host.by_symlink());
  ASSERT_TRUE(turn_flag_off(flag(), kTemporary));
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run();
  EXPECT_EQ(host.status().answer, HelperAnswer::done) << host.status().text;
  EXPECT_EQ(host.running(), "v1");
  EXPECT_FALSE(tells_of_flag(host.status().text));
}

TEST_F(FlagTest, AServiceThatStaysSickWithoutItIsPutBackByTheNextAction) {
  host.start("v2");
  host.describe(by_flag().replace(by_flag().find("5s"), 2, "1s") + host.by_symlink());
  write_text(host.root() / "sick-v2", "");
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run();
  const auto status = host.status();
  EXPECT_EQ(status.answer, HelperAnswer::done) << status.text;
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(TestHost::steps(status),
            "accepted preflight switched restarted preflight switched restarted healthy verified");
}

/// Ends the process at the n-th moment.
class DyingObserver final : public StepObserver {
 public:
  explicit DyingObserver(int at) : left_(at) {}
  void reached(std::string_view /*moment*/) override {
    if (--left_ == 0) ::_exit(99);
  }

 private:
  int left_;
};

TEST_F(FlagTest, StoppedAtAnyMomentItIsFinishedByTheNextProcess) {
  for (int n = 1;; ++n) {
    SCOPED_TRACE(testing::Message() << "stopped at moment " << n);
    TestHost other;
    other.start("v2");
    auto text = by_flag();
    for (const auto& [from, to] : {std::pair(host.root().native(), other.root().native()),
                                   std::pair(host.health_url(), other.health_url())}) {
      text.replace(text.find(from), from.size(), to);
    }
    write_text(other.root() / "flags.json", kFlags);
    other.describe(text);
    ASSERT_EQ(other.execute(other.command()).answer, HelperAnswer::accepted);
    const pid_t pid = ::fork();
    if (pid == 0) {
      DyingObserver observer(n);
      ::_exit(run_action("api", other.settings, other.clock, observer) ? 0 : 3);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    StepObserver observer;
    ASSERT_TRUE(run_action("api", other.settings, other.clock, observer));
    const auto reply = other.status();
    EXPECT_EQ(reply.answer, HelperAnswer::done) << reply.text;
    EXPECT_NE(read_text(other.root() / "flags.json").find("\"defaultVariant\": \"off\""),
              std::string::npos);
    for (const auto& entry : fs::directory_iterator(other.root())) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".serin-")) << entry.path();
    }
    ASSERT_FALSE(testing::Test::HasFailure());
    if (WEXITSTATUS(status) == 0) {
      EXPECT_GT(n, 10) << "the moments are not announced any more";
      break;
    }
  }
}

}  // namespace
}  // namespace serin::helper
