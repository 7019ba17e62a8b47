#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/agent/child.h"
#include "tests/unit/agent/sampler_fixture.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

/// A service whose version is asked for: a real process, a pid file, and a command that says what a
/// file holds, or fails without it.
class AskedWatchTest : public SamplerFixture {
 protected:
  AskedWatchTest() {
    fs::create_directories(folder_ / "releases/v1");
    fs::create_directory_symlink("releases/v1", folder_ / "current");
    file_.name = "api";
    file_.process = ServiceFile::ByPidFile{folder_ / "api.pid"};
    file_.version = ServiceFile::VersionCommand{{"/bin/cat", (folder_ / "said").string()}};
  }

  void say(const std::string& version) {
    write_text(folder_ / "next", version + "\n");
    fs::rename(folder_ / "next", folder_ / "said");
  }
  Child run_service() {
    Child child("/bin/sleep");
    write_text(folder_ / "new.pid", fmt::format("{}\n", child.pid()));
    fs::rename(folder_ / "new.pid", folder_ / "api.pid");
    return child;
  }
  void start_agent() { start_sampler({file_}); }

  ServiceFile file_;
};

TEST_F(AskedWatchTest, EachGenerationIsAskedForItsOwnVersion) {
  say("1.0");
  auto child = run_service();
  start_agent();
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(event(0).kind, EventKind::version_started);
  EXPECT_EQ(event(0).version, "1.0");
  say("2.0");  // what runs has told its version, and it stays that
  ASSERT_TRUE(run_until(loop_, [&] {
    return sample_with([](const Sample& each) { return each.version == "1.0"; }) != nullptr;
  }));
  EXPECT_EQ(uplink_.events.size(), 1U);
  child.end();
  child = run_service();
  ASSERT_TRUE(wait_for_events(3));
  EXPECT_EQ(event(2).version, "2.0");
  EXPECT_EQ(event(2).previous, "1.0");
}

TEST_F(AskedWatchTest, WhatAnswersLateIsToldAsOfItsStart) {
  start_agent();
  auto child = run_service();
  const int64_t start_us = clock_.now().wall_us;
  const Sample* without = nullptr;
  ASSERT_TRUE(run_until(loop_, [&] {
    without = sample_with([](const Sample& each) { return !each.generation.empty(); });
    return without != nullptr;
  }));
  EXPECT_EQ(without->version, "");
  EXPECT_FALSE(without->ambiguous);  // it will be known by its generation
  ASSERT_EQ(without->absent.empty(), false);
  EXPECT_TRUE(std::ranges::any_of(without->absent, [](const auto& absent) {
    return absent.metric == "version" &&
           absent.reason.find("/bin/cat ended with status 1") != std::string::npos;
  }));
  const std::string generation = without->generation;
  EXPECT_EQ(uplink_.events.size(), 0U);
  say("3.0");
  ASSERT_TRUE(wait_for_events(1));
  EXPECT_EQ(event(0).kind, EventKind::version_started);
  EXPECT_EQ(event(0).version, "3.0");
  EXPECT_EQ(event(0).generation, generation);
  EXPECT_NEAR(static_cast<double>(event(0).wall_us), static_cast<double>(start_us), 1e6);
}

TEST_F(AskedWatchTest, WhatEndsBeforeItAnsweredIsUnknownAndToldAllTheSame) {
  start_agent();
  auto child = run_service();
  ASSERT_TRUE(run_until(loop_, [&] {
    return sample_with([](const Sample& each) { return !each.generation.empty(); }) != nullptr;
  }));
  child.end(SIGSEGV);
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(0).kind, EventKind::process_started);
  EXPECT_EQ(event(0).version, "");
  EXPECT_TRUE(event(0).ambiguous);
  EXPECT_EQ(event(1).kind, EventKind::process_died);
  EXPECT_EQ(event(1).generation, event(0).generation);
  EXPECT_FALSE(event(1).expected);
}

TEST_F(AskedWatchTest, WhereALinkSelectsTheReleaseItNamesWhatCrashedBeforeItAnswered) {
  file_.rollback.push_back(
      {.action = "release_symlink", .releases = folder_ / "releases", .link = folder_ / "current"});
  start_agent();
  auto child = run_service();
  child.end(SIGSEGV);
  ASSERT_TRUE(wait_for_events(2));
  EXPECT_EQ(event(0).kind, EventKind::version_started);
  EXPECT_EQ(event(0).version, "v1");
  EXPECT_EQ(event(1).kind, EventKind::process_died);
}

}  // namespace
}  // namespace serin::agent
