#include "agent/sampler/service_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;
using Line = ServiceCheck::Line;

class ServiceCheckTest : public testing::Test {
 protected:
  ServiceCheckTest() {
    service_.name = "api";
    service_.process = ServiceFile::ByPidFile{folder_ / "pid"};
    word_.inspect = HelperReply{};
    word_.status = HelperReply{};
  }
  /// The line of a topic that holds these words.
  Line line(const std::string& topic, const std::string& words) {
    ServiceCheck check(service_, "boot");
    const HostClock clock;
    check.first(clock.now());
    for (auto& line : check.second(clock.now(), VersionJournal::load(folder_ / "none"), word_)) {
      if (line.topic == topic && line.text.find(words) != std::string::npos) return line;
    }
    return {.mark = Line::Mark::note, .topic = "", .text = "no line with " + words};
  }
  void add(ServiceFile::Rollback action) { service_.rollback.push_back(std::move(action)); }

  TempFolder folder_;
  ServiceFile service_;
  HelperWord word_;
};

TEST_F(ServiceCheckTest, TheHelpersPreflightIsShown) {
  add({.action = "command", .argv = {"/bin/true"}});
  word_.status->ready = Ready::yes;
  word_.status->ready_target = "v1";
  EXPECT_EQ(line("preflight", "the helper could go back to v1 now").mark, Line::Mark::good);
  word_.status->ready = Ready::no;
  word_.status->ready_text = "target: release v1 is empty";
  EXPECT_EQ(line("preflight", "could not go back now: target: release v1 is empty").mark,
            Line::Mark::bad);
}

TEST_F(ServiceCheckTest, EveryComplaintComesWithAFix) {
  add({.action = "command", .argv = {"/no/such/program"}});
  add({.action = "package", .packages = {"api"}});
  add({.action = "flag", .flag = {.file = folder_ / "none", .name = "new", .variant = "off"}});
  add({.action = "release_symlink", .releases = folder_ / "releases", .link = folder_ / "current"});
  std::swap(service_.rollback.front(), service_.rollback.back());
  service_.version = ServiceFile::VersionSymlink{folder_ / "current"};
  write_text(folder_ / "log", "not a line of that format\n");
  service_.requests.push_back(
      {.source = "access_log", .path = folder_ / "log", .format = "combined"});
  service_.requests.push_back(
      {.source = "access_log", .path = folder_ / "none", .format = "combined"});
  service_.requests.push_back({.source = "access_log", .path = folder_ / "log", .format = "$x$y"});
  service_.business.push_back({.name = "orders"});
  for (bool answers : {true, false}) {
    word_.status->ready = answers ? Ready::no : Ready::unknown;
    word_.status->ready_text = "target: release v1 is empty";
    if (!answers) word_.inspect = fail("nobody is there");
    ServiceCheck check(service_, "boot");
    const HostClock clock;
    check.first(clock.now());
    size_t complaints = 0;
    for (auto& line : check.second(clock.now(), VersionJournal::load(folder_ / "none"), word_)) {
      if (line.mark == Line::Mark::good) continue;
      ++complaints;
      EXPECT_FALSE(line.fix.empty()) << line.topic << ": " << line.text;
    }
    EXPECT_GE(complaints, 10U);
  }
}

TEST_F(ServiceCheckTest, EveryActionIsNamedInItsOrder) {
  add({.action = "command", .argv = {"/no/such/program", "x"}});
  add({.action = "package", .packages = {"api", "api-common"}});
  add({.action = "flag",
       .flag = {.file = folder_ / "flags.json", .name = "new", .variant = "off"}});
  EXPECT_EQ(line("rollback", "runs /no/such/program x: no such program").mark, Line::Mark::bad);
  EXPECT_THAT(line("rollback", "puts package api, api-common back").fix,
              HasSubstr("install --allow-downgrades api=VERSION"));
  EXPECT_EQ(line("rollback", "turns flag new off").mark, Line::Mark::bad);
  write_text(folder_ / "flags.json", "{}");
  EXPECT_THAT(line("rollback", "turns flag new off").text, HasSubstr("the version then runs on"));
}

TEST_F(ServiceCheckTest, AVersionThatIsAskedForIsShownOrWhyNotAndWhatToTry) {
  service_.version = ServiceFile::VersionCommand{{"/bin/echo", "1.2"}};
  EXPECT_EQ(line("version", "1.2 runs (told by its command)").mark, Line::Mark::good);
  service_.version = ServiceFile::VersionCommand{{"/bin/false"}};
  EXPECT_THAT(line("version", "cannot be told: /bin/false ended with status 1").fix,
              HasSubstr("runuser -u serin -g serin -- /bin/false"));
  service_.version =
      ServiceFile::VersionHttp{.url = {.host = "127.0.0.1", .port = 1, .target = "/v"}};
  EXPECT_THAT(line("version", "http://127.0.0.1:1/v: Connection refused").fix,
              HasSubstr("curl -i 'http://127.0.0.1:1/v'"));
  service_.process = ServiceFile::ByUnit{{"api.service"}};
  service_.version = ServiceFile::VersionUnitProperty{.property = "Environment", .key = "V"};
  EXPECT_THAT(line("version", "none of its units runs").fix,
              HasSubstr("systemctl show --property=Environment"));
}

TEST_F(ServiceCheckTest, AReleaseThatIsCalledOtherwiseThanTheVersionIsNamed) {
  service_.version = ServiceFile::VersionCommand{{"/bin/echo", "1.2"}};
  add({.action = "release_symlink", .releases = folder_.path(), .link = folder_ / "current"});
  word_.inspect->version = "release-7";
  const Line complaint = line("version", "the helper sees release release-7");
  EXPECT_EQ(complaint.mark, Line::Mark::bad);
  EXPECT_THAT(complaint.fix, HasSubstr("like the versions"));
}

TEST_F(ServiceCheckTest, AProbeIsTried) {
  service_.requests.push_back(
      {.source = "probe", .url = {.host = "::1", .port = 1, .target = {}}, .interval_seconds = 1});
  const Line complaint = line("requests", "probe of tcp://[::1]:1: ");
  EXPECT_EQ(complaint.mark, Line::Mark::bad);
  EXPECT_THAT(complaint.fix, HasSubstr("ss -ltnp"));
}

}  // namespace
}  // namespace serin::agent
