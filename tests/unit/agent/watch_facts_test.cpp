#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "schema/fact.h"
#include "tests/unit/agent/child.h"
#include "tests/unit/agent/sampler_fixture.h"
#include "tests/unit/agent/scripted_units.h"

// What is told of a real process and this very host when a version starts.

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::Pair;

class WatchFactsTest : public SamplerFixture {
 protected:
  WatchFactsTest() {
    for (const char* version : {"v1", "v2"}) {
      fs::create_directories(folder_ / "releases" / version);
      fs::copy_file("/bin/sleep", folder_ / "releases" / version / "server");
    }
    fs::create_directory_symlink("releases/v1", folder_ / "current");
    write_text(folder_ / "api.toml", "a = 1\n");
  }
  ~WatchFactsTest() override { sampler_.reset(); }

  void start_agent() {
    std::vector<ServiceFile> services;
    for (const char* name : {"api", "web"}) {
      ServiceFile file;
      file.name = name;
      file.process = ServiceFile::ByUnit{{std::string(name) + ".service"}};
      file.version = ServiceFile::VersionSymlink{folder_ / "current"};
      file.config = {(folder_ / "*.toml").string()};
      services.push_back(std::move(file));
    }
    start_sampler(std::move(services), {.units = &units_, .facts = &facts_});
  }
  void runs(const Child& child, const std::string& invocation) {
    auto word = running_unit("api.service", invocation, child.pid(), ++time_us_);
    word.main_start_wall_us = clock_.now().wall_us - 1'000'000;
    units_.say(word);
  }
  /// Of the service api, without the ones of its neighbour.
  std::vector<Event> told() {
    std::vector<Event> events;
    for (const auto& [event, at] : uplink_.events)
      if (event.service == "api") events.push_back(event);
    return events;
  }

  ScriptedUnits units_;
  FactBooks facts_{
      [this](Event event, const Moment& now) { uplink_.send(std::move(event), now.boot_us); }};
  uint64_t time_us_ = 1'000'000;
};

TEST_F(WatchFactsTest, FollowTheVersionThatStartedAtOnceAndAreComplete) {
  Child child(folder_ / "current/server");
  start_agent();
  runs(child, "a1");
  ASSERT_TRUE(run_until(loop_, [&] { return told().size() >= 2; }));
  const auto events = told();
  EXPECT_EQ(events[0].kind, EventKind::version_started);
  ASSERT_EQ(events[1].kind, EventKind::facts);
  EXPECT_EQ(events[1].step, fact::kAll);
  const auto& facts = events[1].facts;
  EXPECT_THAT(facts, Contains(Pair("limits.nofile", testing::HasSubstr("/"))));
  EXPECT_THAT(facts, Contains(Pair("kernel.release", testing::Not(testing::IsEmpty()))));
  EXPECT_THAT(facts,
              Contains(Pair("config." + (folder_ / "api.toml").string(), short_hash("a = 1\n"))));
}

TEST_F(WatchFactsTest, OfTheOtherServicesHoldTheirVersions) {
  Child child(folder_ / "current/server");
  start_agent();
  runs(child, "a1");
  ASSERT_TRUE(run_until(loop_, [&] { return facts_.of("web").find("service.api") == "v1"; }));
  EXPECT_EQ(facts_.of("api").find("service.api"), "") << "its own is no fact";
}

TEST_F(WatchFactsTest, ThatLibrariesCannotBeSeenIsToldWithTheReason) {
  Child child(folder_ / "current/server");
  start_agent();
  runs(child, "a1");
  ASSERT_TRUE(run_until(loop_, [&] { return !facts_.of("api").find("libraries.absent").empty(); }));
  EXPECT_THAT(std::string(facts_.of("api").find("libraries.absent")),
              testing::StartsWith("absent: "));
}

}  // namespace
}  // namespace serin::agent
