#include "agent/rollback/link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/common/temporary_folder.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

class LinkTest : public testing::Test {
 protected:
  void SetUp() override {
    root = fs::canonical(folder.path());
    for (const char* name : {"v1/app", "v2/app", "v 3/app"}) {
      fs::create_directories(root / "releases" / name);
    }
    releases.emplace(*Releases::open(root / "releases"));
  }
  void point(const fs::path& at) {
    fs::remove(link());
    fs::create_symlink(at, link());
  }
  [[nodiscard]] fs::path link() const { return root / "current"; }
  Result<void> switch_to(const std::string& target) {
    return switch_link(link(), *releases, {.condemned = "v2", .target = target},
                       temporary_link_name());
  }

  TemporaryFolder folder;
  fs::path root;
  std::optional<Releases> releases;
};

TEST_F(LinkTest, KeepsTheFormOfTheOldLink) {
  const std::vector<std::pair<fs::path, fs::path>> forms = {
      {"releases/v2", "releases/v1"},
      {"./releases/v2", "./releases/v1"},
      {"releases/v2/app", "releases/v1/app"},
      {root / "releases/v2", root / "releases/v1"},
      {root / "releases/../releases/v2", root / "releases/../releases/v1"},
  };
  for (const auto& [before, after] : forms) {
    point(before);
    const auto switched = switch_to("v1");
    ASSERT_TRUE(switched.has_value()) << switched.error().message;
    EXPECT_EQ(fs::read_symlink(link()), after);
  }
}

TEST_F(LinkTest, SwitchesAwayFromAReleaseThatIsGone) {
  point("releases/v2");
  fs::remove_all(root / "releases/v2");
  ASSERT_TRUE(switch_to("v1").has_value());
  EXPECT_EQ(fs::read_symlink(link()), "releases/v1");
}

TEST_F(LinkTest, AReleaseWithASpaceInItsNameIsOneName) {
  point("releases/v2");
  ASSERT_TRUE(switch_to("v 3").has_value());
  EXPECT_EQ(read_link(link(), *releases)->release, "v 3");
}

TEST_F(LinkTest, RefusesWhatIsNotALinkBelowTheReleases) {
  for (const char* elsewhere : {"/etc", "elsewhere/v1", "releases", "releases/..", "v2"}) {
    point(elsewhere);
    EXPECT_FALSE(read_link(link(), *releases)) << elsewhere;
    EXPECT_FALSE(switch_to("v1")) << elsewhere;
    EXPECT_EQ(fs::read_symlink(link()), elsewhere);
  }
  fs::remove(link());
  fs::create_directory(link());
  EXPECT_FALSE(switch_to("v1"));
  EXPECT_FALSE(read_link(root / "absent", *releases));
}

TEST_F(LinkTest, ATargetThatLacksWhatTheLinkPointsToIsRefused) {
  point("releases/v2/app");
  fs::remove_all(root / "releases/v1/app");
  EXPECT_FALSE(switch_to("v1"));
  fs::create_symlink("/etc", root / "releases/v1/app");
  EXPECT_FALSE(switch_to("v1")) << "nor through a symlink";
  EXPECT_EQ(fs::read_symlink(link()), "releases/v2/app");
}

TEST_F(LinkTest, KeepsTheOwnerOfTheOldLink) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a link away";
  point("releases/v2");
  ASSERT_EQ(::lchown(link().c_str(), 65534, 65533), 0);
  ASSERT_TRUE(switch_to("v1").has_value());
  struct stat facts {};
  ASSERT_EQ(::lstat(link().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_uid, 65534U);
  EXPECT_EQ(facts.st_gid, 65533U);
}

TEST_F(LinkTest, ALinkThatPointsToAThirdReleaseIsNotTakenBack) {
  point("releases/v 3");
  const auto switched = switch_to("v1");
  ASSERT_FALSE(switched);
  EXPECT_NE(switched.error().message.find("somebody else changed it"), std::string::npos);
  EXPECT_EQ(fs::read_symlink(link()), "releases/v 3");
}

TEST_F(LinkTest, WhatWasSwappedInForTheNewLinkIsNotGivenAway) {
  const UniqueFd here(::open(root.c_str(), O_RDONLY | O_DIRECTORY));
  folder.write("file", "root's");
  fs::create_symlink("x", root / "twice");
  ASSERT_EQ(::linkat(here.get(), "twice", here.get(), "again", 0), 0);
  std::vector<std::string> swapped{"file", "twice", "releases"};
  if (::geteuid() == 0) {
    fs::create_symlink("x", root / "theirs");
    ASSERT_EQ(::lchown((root / "theirs").c_str(), 65533, 65533), 0);
    swapped.emplace_back("theirs");
  }
  for (const auto& name : swapped) {
    struct stat before {};
    struct stat after {};
    ASSERT_EQ(::lstat((root / name).c_str(), &before), 0);
    const auto given = give_link(here.get(), name, ::geteuid() + 1, ::getegid());
    ASSERT_FALSE(given) << name;
    EXPECT_NE(given.error().message.find("replaced by somebody else"), std::string::npos) << name;
    ASSERT_EQ(::lstat((root / name).c_str(), &after), 0);
    EXPECT_EQ(after.st_uid, before.st_uid) << name;
  }
  EXPECT_FALSE(give_link(here.get(), "absent", 1, 1));
}

TEST_F(LinkTest, TakesAwayOnlyItsOwnTemporaryLinks) {
  point("releases/v2");
  fs::create_symlink("x", root / ".serin-0011");
  folder.write(".serin-file", "");
  remove_temporary(link(), ".serin-0011");
  remove_temporary(link(), ".serin-file");
  remove_temporary(link(), "current");
  EXPECT_FALSE(fs::is_symlink(root / ".serin-0011"));
  EXPECT_TRUE(fs::exists(root / ".serin-file"));
  EXPECT_TRUE(fs::is_symlink(link()));
}

class BeneathTest : public LinkTest, public testing::WithParamInterface<decltype(&open_beneath)> {};

TEST_P(BeneathTest, FollowsNoSymlinkAndLeavesNothing) {
  fs::create_symlink("v1", root / "releases/alias");
  fs::create_symlink("../v2", root / "releases/v1/up");
  const int at = ::open((root / "releases").c_str(), O_RDONLY | O_DIRECTORY);
  const UniqueFd folder_fd(at);
  const auto opens = [&](const char* path) { return GetParam()(at, path, O_PATH).has_value(); };
  EXPECT_TRUE(opens("v1"));
  EXPECT_TRUE(opens("v1/app"));
  for (const char* path : {"alias", "alias/app", "v1/up", "v1/up/app", "../releases/v1", "..", "",
                           "/etc", "v1/../v2", "absent"}) {
    EXPECT_FALSE(opens(path)) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(BothWays, BeneathTest,
                         testing::Values(&open_beneath, &open_beneath_by_component));

}  // namespace
}  // namespace serin::helper
