#include "agent/rollback/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "agent/rollback/candidates.h"
#include "agent/rollback/drill.h"
#include "tests/support/rollback/dying.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

class ReadinessTest : public testing::Test {
 protected:
  void SetUp() override { host.start("v2"); }
  void expect_not_ready(std::string_view why) {
    const auto status = host.status();
    EXPECT_EQ(name(status.ready), "no");
    EXPECT_NE(status.ready_text.find(why), std::string::npos) << status.ready_text;
    EXPECT_EQ(status.ready_target, "");
  }
  void expect_ready(std::string_view target) {
    const auto status = host.status();
    EXPECT_EQ(name(status.ready), "yes") << status.ready_text;
    EXPECT_EQ(status.ready_target, target);
  }
  HelperReply confirm(const std::string& version) {
    Command command = host.command("", version, 100);
    command.kind = CommandKind::confirm;
    return host.execute(command);
  }

  TestHost host;
};

TEST_F(ReadinessTest, TellsWhereARollbackWouldGo) {
  expect_ready("v1");
  EXPECT_EQ(host.status().rehearsed_seconds, std::nullopt);
  EXPECT_EQ(host.status().dead_man_seconds, std::nullopt);
}

TEST_F(ReadinessTest, TheReleaseThatChangedLastIsTheTarget) {
  host.add_release("v0");
  expect_ready("v0");
  write_text(host.root() / "releases" / "v1" / "note", "");
  expect_ready("v1");
}

TEST_F(ReadinessTest, WhatIsNoReleaseIsNotTheTarget) {
  fs::create_symlink("v1", host.root() / "releases" / "newer");
  write_text(host.root() / "releases" / "file", "");
  fs::create_directory(host.root() / "releases" / ".hidden");
  expect_ready("v1");
}

TEST_F(ReadinessTest, WithoutAnotherReleaseThereIsNone) {
  fs::remove_all(host.root() / "releases" / "v1");
  expect_not_ready("target: no other release is there");
}

TEST_F(ReadinessTest, WhereNothingRunsTheSelectedVersionCounts) {
  host.stop();
  expect_ready("v1");
}

TEST_F(ReadinessTest, AVersionThatWasRolledBackIsNoTarget) {
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  run(host);
  expect_not_ready("no other release");
}

TEST_F(ReadinessTest, EachObstacleIsNamed) {
  write_text(host.settings.hold / "hold", "migration");
  expect_not_ready("held: ");
  fs::remove(host.settings.hold / "hold");
  write_text(host.root() / "releases" / "v2" / ".serin-irreversible", "");
  expect_not_ready("irreversible: ");
  fs::remove(host.root() / "releases" / "v2" / ".serin-irreversible");
  ::chmod(host.restart_script().c_str(), 0777);
  expect_not_ready("action: ");
  ::chmod(host.restart_script().c_str(), 0755);
  expect_ready("v1");
  host.describe("");
  expect_not_ready("names no [[rollback]]");
  ::chmod((host.settings.services / "api.toml").c_str(), 0666);
  expect_not_ready("not_owned: ");
  fs::remove(host.settings.services / "api.toml");
  expect_not_ready("service: ");
}

TEST_F(ReadinessTest, ADamagedJournalIsAnObstacle) {
  expect_ready("v1");
  write_text(host.settings.state / "pending" / "api", "rubbish");
  expect_not_ready("damaged");
}

TEST_F(ReadinessTest, ADrillIsRememberedWithItsTime) {
  auto command = host.command();
  command.kind = CommandKind::drill;
  ASSERT_EQ(host.execute(command).answer, HelperAnswer::accepted);
  EXPECT_EQ(name(host.status().ready), "unknown") << "not while it is at work";
  run(host);
  expect_ready("v1");
  const auto status = host.status();
  ASSERT_TRUE(status.rehearsed_seconds);
  EXPECT_GT(*status.rehearsed_seconds, 0);
  EXPECT_LE(status.rehearsed_wall_us, host.clock.wall_us());
  EXPECT_GT(status.rehearsed_wall_us, host.clock.wall_us() - 60 * kSecondUs);
}

TEST_F(ReadinessTest, TheDeadManIsShownWhereRootAllowsIt) {
  host.describe(host.by_symlink() + "\n[dead_man]\nwithin = \"10m\"\n");
  EXPECT_EQ(host.status().dead_man_seconds, 600);
}

TEST_F(ReadinessTest, WithoutReleasesTheConfirmedVersionIsTheTarget) {
  const auto version_file = host.root() / "version";
  write_text(version_file, "2.0\n");
  write_text(host.settings.services / "api.toml",
             "pid_file = \"" + (host.root() / "pid").native() + "\"\nversion = { file = \"" +
                 version_file.native() + "\" }\n" + by_command(host));
  ASSERT_EQ(confirm("2.0").answer, HelperAnswer::done);
  host.stop();
  const auto unknown = host.status();
  EXPECT_EQ(name(unknown.ready), "unknown") << unknown.ready_text;
  ASSERT_EQ(confirm("1.0").answer, HelperAnswer::done);
  expect_ready("1.0");
}

TEST_F(ReadinessTest, OfAPackageWhatLiesInAptsCacheIsThere) {
  host.settings.packages.archives = host.root() / "archives";
  fs::create_directory(host.root() / "archives");
  for (const char* file : {"api_1%3a1.4.2-1_amd64.deb", "api-tools_1%3a9-1_amd64.deb", "lock",
                           "api_1%3a1.4.3-1_amd64.deb", "api_2.0_amd64.deb", "api_1%3a-1_all.deb"})
    write_text(host.root() / "archives" / file, "");
  ServiceFile service;
  service.name = "api";
  service.version = ServiceFile::VersionPackage{"api"};
  ServiceFile::Rollback entry{.action = "package"};
  entry.packages = {"api"};
  entry.package_version = {.before = "1:", .after = "-1"};
  service.rollback = {entry};
  EXPECT_THAT(versions_there(service, host.settings),
              testing::UnorderedElementsAre("1.4.2", "1.4.3"));
}

}  // namespace
}  // namespace serin::helper
