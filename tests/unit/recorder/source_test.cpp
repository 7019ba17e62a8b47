#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/recorder/source.h"
#include "tests/unit/recorder/fake_proc.h"
#include "tests/unit/recorder/raw_file.h"
#include "tests/unit/recorder/recorders.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

class MovedClock : public HostClock {
 public:
  [[nodiscard]] Moment now() const override { return at; }
  Moment at{.boot_us = 1'000'000'000, .wall_us = wall_now()};
  void pass(int64_t us) {
    at.boot_us += static_cast<uint64_t>(us);
    at.wall_us += us;
  }

 private:
  static int64_t wall_now() { return HostClock().now().wall_us; }
};

/// One service by its pid file, whose processes are what the test says.
class RecorderSourceTest : public testing::Test {
 protected:
  RecorderSourceTest() {
    fs::create_directory(folder_ / "state");
    service_.name = "api";
    service_.process = ServiceFile::ByPidFile{"/run/api.pid"};
    service_.requests.push_back({.source = "recorder", .path = folder_ / "recorder"});
    fs::create_directory(folder_ / "recorder");
  }
  void start_agent() {
    auto made = RecorderSource::make(
        service_, 0,
        {.state_dir = folder_ / "state", .judge = {.boot_id = "boot", .proc = proc_.path()}},
        clock_);
    ASSERT_TRUE(made) << made.error().message;
    source_ = std::move(*made);
    tallies_ = Tallies(0);
  }
  /// A process of the service that started `ago_us` ago.
  uint32_t run(int32_t pid, int64_t ago_us = 0, uint64_t ticks = 100) {
    proc_.add({.pid = pid, .start_ticks = ticks, .user = ::geteuid()});
    return timeline_.begin(fmt::format("boot:{}:{}", pid, ticks), "v1", clock_.at.wall_us - ago_us);
  }
  void end(int32_t pid) {
    proc_.remove(pid);
    timeline_.begin("", "", clock_.at.wall_us);
  }
  void write(const RawFile& raw) { raw.write_to(folder_ / "recorder"); }
  /// A second passes, and what was recorded in it for a span is handed on.
  uint64_t second(uint32_t span) {
    clock_.pass(1'000'000);
    source_->poll(timeline_, clock_.at.wall_us, tallies_);
    uint64_t requests = tallies_.take(span).requests.requests;
    source_->commit(clock_.at.boot_us);
    return requests;
  }
  [[nodiscard]] std::vector<std::string> files() const { return names_in(folder_ / "recorder"); }
  [[nodiscard]] fs::path path(const RawFile& raw) const {
    return folder_ / "recorder" / raw.name();
  }

  TempFolder folder_;
  FakeProc proc_;
  MovedClock clock_;
  Timeline timeline_;
  Tallies tallies_{0};
  ServiceFile service_;
  std::unique_ptr<RecorderSource> source_;
};

TEST_F(RecorderSourceTest, CountsWhatAProcessRecordsFromItsStart) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  RawFile raw(50);
  write(raw.with(5));
  EXPECT_EQ(second(span), 5U);
  write(raw.with(7));
  EXPECT_EQ(second(span), 2U);
  EXPECT_EQ(second(span), 0U);
  EXPECT_TRUE(source_->is_complete());
  EXPECT_EQ(source_->skipped(), 0U);
}

TEST_F(RecorderSourceTest, DoesNotCountAgainWhatWasRecordedBeforeTheFirstAgentCame) {
  uint32_t span = run(50);
  RawFile raw(50);
  write(raw.with(1'000'000));
  start_agent();
  EXPECT_EQ(second(span), 0U);
  write(raw.with(1'000'003));
  EXPECT_EQ(second(span), 3U);
}

TEST_F(RecorderSourceTest, CountsOnceWhatWasRecordedWhileTheAgentWasRestarted) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  RawFile raw(50);
  write(raw.with(5));
  ASSERT_EQ(second(span), 5U);
  source_.reset();
  write(raw.with(9));
  RawFile other(51, 101);  // a worker that came meanwhile
  proc_.add({.pid = 51, .start_ticks = 101, .parent = 50, .user = ::geteuid()});
  write(other.with(3));
  uint64_t left_us = clock_.at.boot_us;
  clock_.pass(2'000'000);
  start_agent();
  EXPECT_EQ(source_->resumed_from_us(), left_us);
  EXPECT_EQ(second(span), 7U);
}

TEST_F(RecorderSourceTest, TakesNothingFromATimeTooLongAgo) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  RawFile raw(50);
  write(raw.with(5));
  ASSERT_EQ(second(span), 5U);
  write(raw.with(500));
  clock_.pass(700'000'000);
  start_agent();
  EXPECT_EQ(source_->resumed_from_us(), std::nullopt);
  EXPECT_EQ(second(span), 0U);
}

TEST_F(RecorderSourceTest, CreditsTheLastRequestsOfADeadProcessAndThenRemovesItsFile) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  RawFile raw(50);
  write(raw.with(5));
  ASSERT_EQ(second(span), 5U);
  write(raw.with(8));
  end(50);
  clock_.pass(1'000);
  source_->poll(timeline_, clock_.at.wall_us, tallies_);
  EXPECT_EQ(files().size(), 1U);  // not handed on yet: an agent that is killed now must find it
  EXPECT_EQ(tallies_.take(span).requests.requests, 3U);
  source_->commit(clock_.at.boot_us);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_TRUE(source_->is_complete());
}

TEST_F(RecorderSourceTest, CreditsAProcessThatCameAndWentBetweenTwoLooks) {
  start_agent();
  second(0);
  uint32_t first = run(50);
  RawFile raw(50);
  write(raw.with(1));
  ASSERT_EQ(second(first), 1U);
  end(50);
  uint32_t next = timeline_.begin("boot:60:200", "v2", clock_.at.wall_us);
  RawFile gone(60, 200);
  write(gone.with(4));
  EXPECT_EQ(second(next), 4U);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(RecorderSourceTest, KeepsRequestsOfOldAndNewSideBySideApart) {
  start_agent();
  second(0);
  uint32_t before = run(50);
  RawFile old_one(50), new_one(60, 200);
  write(old_one.with(5));
  ASSERT_EQ(second(before), 5U);
  uint32_t after = run(60, 0, 200);
  write(old_one.with(8));
  write(new_one.with(2, SERIN_SERVER_ERROR));
  clock_.pass(1'000'000);
  source_->poll(timeline_, clock_.at.wall_us, tallies_);
  Tally of_new = tallies_.take(after), of_old = tallies_.take(before);
  EXPECT_EQ(of_new.requests.requests, 2U);
  EXPECT_EQ(of_new.requests.errors, 2U);
  EXPECT_EQ(of_old.requests.requests, 3U);
  EXPECT_EQ(of_old.requests.errors, 0U);
}

TEST_F(RecorderSourceTest, LosesNothingOfAFileThatIsCutShortButWhatWasCut) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  RawFile raw(50);
  write(raw.with(5));
  ASSERT_EQ(second(span), 5U);
  fs::resize_file(path(raw), 5000);
  EXPECT_EQ(second(span), 0U);
  EXPECT_EQ(second(span), 0U);
  EXPECT_THAT(source_->problem(), HasSubstr("cut short"));
  EXPECT_FALSE(source_->is_complete());
  EXPECT_EQ(source_->skipped(), 1U);  // one trouble, however often it is met
  write(raw.with(9));
  EXPECT_EQ(second(span), 4U);
  EXPECT_EQ(source_->problem(), "");
}

TEST_F(RecorderSourceTest, WaitsForAHeadThatIsNotWrittenYet) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  RawFile raw(50);
  write_text(path(raw), "");
  EXPECT_EQ(second(span), 0U);
  EXPECT_EQ(source_->skipped(), 0U);
  write(raw.with(4));  // the folder does not change by that
  EXPECT_EQ(second(span), 4U);
}

TEST_F(RecorderSourceTest, ClearsAwayWhatADyingProcessNeverFinished) {
  start_agent();
  write_text(path(RawFile(50)), std::string(4096, '\0'));
  second(0);
  EXPECT_EQ(files().size(), 1U);
  clock_.pass(120'000'000);
  write_text(folder_ / "recorder/other", "");  // something happens there
  second(0);
  EXPECT_THAT(files(), testing::ElementsAre("other"));
}

TEST_F(RecorderSourceTest, SaysThatAFileIsOfAnotherVersionAndLeavesItToItsProcess) {
  start_agent();
  second(0);
  run(50, 60'000'000);
  RawFile raw(50);
  raw.header.version = 9;
  write(raw.with(5));
  clock_.pass(120'000'000);
  source_->poll(timeline_, clock_.at.wall_us, tallies_);
  ASSERT_EQ(source_->words().size(), 1U);
  EXPECT_THAT(source_->words()[0].trouble, HasSubstr("version 9"));
  EXPECT_EQ(source_->skipped(), 1U);
  EXPECT_FALSE(source_->is_complete());
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(RecorderSourceTest, IsNotHeldUpByGarbageOfOthers) {
  start_agent();
  uint32_t span = run(50);
  RawFile raw(50);
  write_text(folder_ / "recorder/api.51.0123456789abcdef", std::string(10'000, 'x'));
  fs::create_symlink("/etc/shadow", folder_ / "recorder/api.52.0123456789abcdef");
  write_text(folder_ / "recorder/api.53.0123456789abcdef", "SERINREC");
  RawFile stranger(54, 500);
  proc_.add({.pid = 54, .start_ticks = 500, .user = ::geteuid() + 1});
  write(stranger.with(1'000'000, SERIN_SERVER_ERROR));
  write(raw.with(5));
  clock_.pass(30'000'000);
  EXPECT_EQ(second(span), 0U);  // was there before the agent's first look
  write(raw.with(6));
  EXPECT_EQ(second(span), 1U);
  EXPECT_TRUE(source_->is_complete());  // a stranger's file is no reason to doubt the service's
  EXPECT_EQ(source_->problem(), "");
  EXPECT_EQ(source_->words().size(), 5U);
}

TEST_F(RecorderSourceTest, DoubtsADamagedFileAndCountsOnFromThere) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  RawFile raw(50);
  write(raw.with(5));
  ASSERT_EQ(second(span), 5U);
  write(raw.with(2));
  EXPECT_EQ(second(span), 0U);
  EXPECT_THAT(source_->problem(), HasSubstr("went back"));
  EXPECT_FALSE(source_->is_complete());
  write(raw.with(6));
  EXPECT_EQ(second(span), 4U);
  EXPECT_TRUE(source_->is_complete());
}

TEST_F(RecorderSourceTest, SaysThatAServiceRecordsNothingOnlyAfterAWhile) {
  start_agent();
  EXPECT_EQ(second(0), 0U);
  EXPECT_TRUE(source_->is_complete());  // nothing runs: there are none
  uint32_t span = run(50);
  second(span);
  EXPECT_EQ(source_->problem(), "");
  EXPECT_FALSE(source_->is_complete());
  clock_.pass(20'000'000);
  second(span);
  EXPECT_THAT(source_->problem(), HasSubstr("serin_recorder_open"));
}

TEST_F(RecorderSourceTest, SaysThatItsFolderIsMissingAndTakesItWhenItComes) {
  fs::remove(folder_ / "recorder");
  start_agent();
  uint32_t span = run(50);
  second(span);
  EXPECT_THAT(source_->problem(), HasSubstr("No such file"));
  fs::create_directory(folder_ / "recorder");
  write(RawFile(50).with(3));
  EXPECT_EQ(second(span), 3U);
  EXPECT_EQ(source_->problem(), "");
}

TEST_F(RecorderSourceTest, BelievesAProcessAsSoonAsItKnowsItAndThenCountsAllOfIt) {
  start_agent();
  second(0);
  proc_.add({.pid = 50, .user = ::geteuid()});
  RawFile raw(50);
  write(raw.with(5));
  EXPECT_EQ(second(0), 0U);  // the agent has not heard of that start
  uint32_t span = timeline_.begin("boot:50:100", "v1", clock_.at.wall_us);
  EXPECT_EQ(second(span), 5U);
}

TEST_F(RecorderSourceTest, KeepsWithinItsMemoryHoweverManyFilesThereAre) {
  start_agent();
  second(0);
  uint32_t span = run(50);
  for (int i = 0; i < SERIN_RECORDER_MOST_FILES + 20; ++i) {
    proc_.add({.pid = 100 + i, .start_ticks = 200, .parent = 50, .user = ::geteuid()});
    write(RawFile(100 + i, 200).with(1));
  }
  EXPECT_EQ(second(span), uint64_t{SERIN_RECORDER_MOST_FILES});
  EXPECT_EQ(source_->skipped(), 20U);
  EXPECT_THAT(source_->words().back().trouble, HasSubstr("more than 256"));
}

}  // namespace
}  // namespace serin::agent
