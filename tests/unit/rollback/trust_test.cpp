#include "agent/rollback/trust.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/common/temporary_folder.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kDeployUser = 65534;

class TrustTest : public testing::Test {
 protected:
  void SetUp() override {
    root = fs::canonical(folder.path());
    for (const char* each : {"bin", "v1", "v1/bin"}) {
      fs::create_directory(root / each);
      ::chmod((root / each).c_str(), 0755);
    }
    make("bin/restart");
    make("v1/bin/restart");
    fs::create_symlink("v1", root / "current");
  }
  void make(const fs::path& name) const {
    fs::copy_file("/bin/true", root / name);
    ::chmod((root / name).c_str(), 0755);
  }
  [[nodiscard]] std::string refusal(const fs::path& name) const {
    const auto owned = owned_program(root / name);
    return owned ? "" : owned.error().message;
  }

  TemporaryFolder folder;
  fs::path root;
};

TEST_F(TrustTest, AProgramOfOursUnderTmpIsResolved) {
  EXPECT_EQ(*owned_program(root / "bin/restart"), root / "bin/restart");
  EXPECT_EQ(*owned_program(root / "current/bin/../bin/./restart"), root / "v1/bin/restart");
  fs::create_symlink(root / "current/bin/restart", root / "bin/alias");
  EXPECT_EQ(*owned_program(root / "bin/alias"), root / "v1/bin/restart");
  EXPECT_EQ(*owned_program("/bin/true"), fs::canonical("/bin/true"));
}

TEST_F(TrustTest, AFolderThatOthersMayWriteLetsThemSwapTheProgramBelowIt) {
  for (const mode_t mode : {0775U, 0757U}) {
    ::chmod((root / "v1").c_str(), mode);
    EXPECT_NE(refusal("v1/bin/restart").find("v1 is writable by"), std::string::npos) << mode;
    EXPECT_NE(refusal("current/bin/restart").find("v1 is writable by"), std::string::npos) << mode;
    EXPECT_NE(refusal("v1/../bin/restart").find("v1 is writable by"), std::string::npos) << mode;
  }
}

TEST_F(TrustTest, ADeployUsersLinkOrFolderLetsItChooseWhatRootRuns) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a second user";
  ASSERT_EQ(::lchown((root / "current").c_str(), kDeployUser, kDeployUser), 0);
  EXPECT_NE(refusal("current/bin/restart").find("current belongs to uid"), std::string::npos)
      << refusal("current/bin/restart");
  EXPECT_EQ(refusal("v1/bin/restart"), "");
  ASSERT_EQ(::chown((root / "v1").c_str(), kDeployUser, kDeployUser), 0);
  EXPECT_NE(refusal("v1/bin/restart").find("v1 belongs to uid"), std::string::npos);
  EXPECT_EQ(refusal("bin/restart"), "");
}

TEST_F(TrustTest, WhatIsNoProgramIsRefused) {
  EXPECT_NE(refusal("absent"), "");
  EXPECT_NE(refusal("bin"), "");
  EXPECT_NE(refusal("bin/restart/more"), "");
  EXPECT_FALSE(owned_program("bin/restart"));
  fs::create_symlink("loop", root / "loop");
  EXPECT_NE(refusal("loop").find("too many symlinks"), std::string::npos);
  ::chmod((root / "bin/restart").c_str(), 0644);
  EXPECT_NE(refusal("bin/restart").find("cannot be executed"), std::string::npos);
  ::chmod((root / "bin/restart").c_str(), 0775);
  EXPECT_NE(refusal("bin/restart").find("writable by its group"), std::string::npos);
}

}  // namespace
}  // namespace serin::helper
