#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/recorder/writer.h"
#include "tests/unit/recorder/fake_proc.h"
#include "tests/unit/recorder/raw_file.h"
#include "tests/unit/recorder/recorders.h"

namespace serin::agent {
namespace {

using Kind = WriterJudge::Verdict::Kind;
using testing::HasSubstr;

constexpr uint32_t kSomebody = 4242, kElse = 4343;

/// Ticks are 10 ms from an epoch of 0.
class RecorderWriter : public testing::Test {
 protected:
  static ServiceFile by_pid() {
    ServiceFile service;
    service.name = "api";
    service.process = ServiceFile::ByPidFile{"/run/api.pid"};
    return service;
  }
  static ServiceFile by_units() {
    ServiceFile service;
    service.name = "api";
    service.process = ServiceFile::ByUnit{{"api-blue.service", "api-green.service"}};
    return service;
  }
  RecorderFile file(int32_t pid, uint32_t owner, uint64_t start_ticks = 100,
                    const char* boot_id = "boot") {
    RawFile raw(pid, start_ticks, boot_id);
    raw.write_to(folder_.path());
    EXPECT_EQ(::chown((folder_ / raw.name()).c_str(), owner, owner), 0);
    return std::move(open_file(folder_.path(), raw.name())->value());
  }
  WriterJudge::Verdict judge(WriterJudge& judge, const RecorderFile& file) {
    return judge.judge(file, judge.living(file), timeline_,
                       [](uint64_t ticks) { return static_cast<int64_t>(ticks) * 10'000; });
  }
  WriterJudge judge_of(const ServiceFile& service) {
    return WriterJudge(service, {.boot_id = "boot", .proc = proc_.path()});
  }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give files to other users";
  }

  TempFolder folder_;
  FakeProc proc_;
  Timeline timeline_;
};

TEST_F(RecorderWriter, IsTheServicesMainProcess) {
  proc_.add({.pid = 50, .user = kSomebody});
  uint32_t span = timeline_.begin("boot:50:100", "v1", 1'000'000);
  auto who = judge_of(by_pid());
  auto verdict = judge(who, file(50, kSomebody));
  EXPECT_EQ(verdict.kind, Kind::ours) << verdict.reason;
  EXPECT_EQ(verdict.span, span);
}

TEST_F(RecorderWriter, IsAWorkerOfTheGenerationItDescendsFrom) {
  proc_.add({.pid = 50, .user = 0});
  proc_.add({.pid = 60, .start_ticks = 300, .parent = 50, .user = kSomebody});
  proc_.add({.pid = 61, .start_ticks = 301, .parent = 60, .user = kSomebody});
  uint32_t old = timeline_.begin("boot:50:100", "v1", 1'000'000);
  timeline_.begin("boot:70:200", "v2", 2'000'000);
  auto who = judge_of(by_pid());
  auto verdict = judge(who, file(61, kSomebody, 301));
  EXPECT_EQ(verdict.kind, Kind::ours) << verdict.reason;
  EXPECT_EQ(verdict.span, old);
}

TEST_F(RecorderWriter, ThatRunsAsAnotherUserThanTheFilesOwnerIsSquatting) {
  proc_.add({.pid = 50, .user = kSomebody});
  timeline_.begin("boot:50:100", "v1", 1'000'000);
  auto who = judge_of(by_pid());
  auto verdict = judge(who, file(50, kElse));  // a file that names the service's own process
  EXPECT_EQ(verdict.kind, Kind::foreign);
  EXPECT_THAT(verdict.reason, HasSubstr("belongs to user 4343"));
}

TEST_F(RecorderWriter, ThatIsNoProcessOfTheServiceIsNotCounted) {
  proc_.add({.pid = 50, .user = kSomebody});
  proc_.add({.pid = 80, .user = kElse});
  timeline_.begin("boot:50:100", "v1", 1'000'000);
  auto who = judge_of(by_pid());
  EXPECT_NE(judge(who, file(80, kElse)).kind, Kind::ours);
  auto units = judge_of(by_units());
  proc_.add({.pid = 81, .user = kElse, .cgroup = "/user.slice/api-blue.service.d/x.scope"});
  timeline_.begin("api-blue.service:abc", "v1", 1'000'000);
  EXPECT_EQ(judge(units, file(81, kElse)).kind, Kind::foreign);
}

TEST_F(RecorderWriter, OfOldAndNewSideBySideIsToldApartByItsUnit) {
  uint32_t blue = timeline_.begin("api-blue.service:abc", "v1", 1'000'000);
  uint32_t green = timeline_.begin("api-green.service:def", "v2", 2'000'000);
  proc_.add({.pid = 50, .start_ticks = 100, .cgroup = "/system.slice/api-blue.service"});
  proc_.add({.pid = 60, .start_ticks = 200, .cgroup = "/system.slice/api-green.service"});
  proc_.add({.pid = 51, .start_ticks = 300, .cgroup = "/system.slice/api-blue.service/worker"});
  auto who = judge_of(by_units());
  EXPECT_EQ(judge(who, file(50, 0, 100)).span, blue);
  EXPECT_EQ(judge(who, file(60, 0, 200)).span, green);
  EXPECT_EQ(judge(who, file(51, 0, 300)).span, blue);  // started later, and still blue's
}

TEST_F(RecorderWriter, OfTheStartBeforeInTheSameUnitKeepsItsGeneration) {
  uint32_t before = timeline_.begin("api-blue.service:abc", "v1", 1'000'000);
  uint32_t after = timeline_.begin("api-blue.service:def", "v2", 2'000'000);
  for (auto [pid, ticks] : {std::pair{50, 100}, {51, 198}, {52, 200}})
    proc_.add({.pid = pid,
               .start_ticks = static_cast<uint64_t>(ticks),
               .cgroup = "/system.slice/api-blue.service"});
  auto who = judge_of(by_units());
  EXPECT_EQ(judge(who, file(50, 0, 100)).span, before);
  EXPECT_EQ(judge(who, file(51, 0, 198)).span, after);  // ticks are rounded down
  EXPECT_EQ(judge(who, file(52, 0, 200)).span, after);
}

TEST_F(RecorderWriter, WhoseNumberWasGivenAwayAgainHasEnded) {
  proc_.add({.pid = 50, .start_ticks = 900, .user = kElse});  // somebody else's by now
  uint32_t span = timeline_.begin("boot:50:100", "v1", 1'000'000);
  auto who = judge_of(by_pid());
  auto written = file(50, 0);
  EXPECT_FALSE(who.living(written));
  auto verdict = judge(who, written);
  EXPECT_EQ(verdict.kind, Kind::ours);
  EXPECT_EQ(verdict.span, span);
}

TEST_F(RecorderWriter, ThatIsAZombieHasEnded) {
  proc_.add({.pid = 50, .state = 'Z'});
  auto who = judge_of(by_pid());
  EXPECT_FALSE(who.living(file(50, 0)));
}

TEST_F(RecorderWriter, ThatEndedIsBelievedOnlyAsAUserTheServiceWasSeenToBe) {
  timeline_.begin("boot:50:100", "v1", 1'000'000);
  timeline_.begin("", "", 2'000'000);
  uint32_t now = timeline_.begin("boot:70:300", "v2", 3'000'000);
  auto who = judge_of(by_pid());
  auto gone = file(71, kSomebody, 301);
  EXPECT_EQ(judge(who, gone).kind, Kind::unknown);
  proc_.add({.pid = 70, .start_ticks = 300, .user = kSomebody});
  EXPECT_EQ(judge(who, file(70, kSomebody, 300)).kind, Kind::ours);
  EXPECT_EQ(judge(who, gone).span, now);  // by its start
  EXPECT_NE(judge(who, file(72, kElse, 301)).kind, Kind::ours);
}

TEST_F(RecorderWriter, OfAnotherBootIsForeign) {
  timeline_.begin("boot:50:100", "v1", 1'000'000);
  auto who = judge_of(by_pid());
  EXPECT_EQ(judge(who, file(50, 0, 100, "other")).kind, Kind::foreign);
}

TEST_F(RecorderWriter, ThatTheAgentHasNotHeardOfYetIsUnknownAndNotForeign) {
  proc_.add({.pid = 50, .cgroup = "/system.slice/api-blue.service"});
  auto who = judge_of(by_units());
  EXPECT_EQ(judge(who, file(50, 0)).kind, Kind::unknown);
}

TEST(UnitOf, IsAWholeComponentOfTheUnifiedOrSystemdsHierarchy) {
  std::vector<std::string> units = {"api.service"};
  EXPECT_EQ(unit_of("0::/system.slice/api.service\n", units), "api.service");
  EXPECT_EQ(unit_of("0::/system.slice/api.service/sub\n", units), "api.service");
  EXPECT_EQ(unit_of("3:cpu:/x\n1:name=systemd:/system.slice/api.service\n", units), "api.service");
  EXPECT_FALSE(unit_of("0::/system.slice/other-api.service\n", units));
  EXPECT_FALSE(unit_of("3:cpu:/api.service\n", units));
  EXPECT_FALSE(unit_of("", units));
  EXPECT_FALSE(unit_of("0::", units));
}

}  // namespace
}  // namespace serin::agent
