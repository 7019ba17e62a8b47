#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "agent/recorder/writer.h"
#include "tests/unit/agent/temp_folder.h"
#include "tests/unit/recorder/recorders.h"

namespace serin::agent {
namespace {

/// Runs `work` in a child and returns its pid; it waits then until `finish`.
class Forked {
 public:
  explicit Forked(const std::function<void()>& work) {
    int ready[2], end[2];
    EXPECT_EQ(::pipe(ready), 0);
    EXPECT_EQ(::pipe(end), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(end[1]);
      work();
      char byte = 'r';
      if (::write(ready[1], &byte, 1) != 1) ::_exit(2);
      ::_exit(::read(end[0], &byte, 1) == 0 ? 0 : 3);
    }
    ::close(ready[1]);
    ::close(end[0]);
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    end_ = end[1];
  }
  ~Forked() { finish(); }
  void kill() {
    ::kill(pid_, SIGKILL);
    finish();
  }
  void finish() {
    if (end_ < 0) return;
    ::close(end_);
    end_ = -1;
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int end_ = -1;
};

void record(serin_recorder* recorder, int times) {
  for (int i = 0; i < times; ++i) ::serin_record(recorder, SERIN_OK, 1000);
}

RecorderFile file_of(const TempFolder& folder, pid_t pid) {
  for (const auto& name : names_in(folder.path()))
    if (parse_recorder_name(name)->pid == pid)
      return std::move(open_file(folder.path(), name)->value());
  ADD_FAILURE() << "process " << pid << " has no file";
  return only_file(folder.path());
}

TEST(ForkedRecorder, HasAFileOfItsOwnAndLeavesItsParentsAlone) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  record(recorder.get(), 5);
  Forked child([&] { record(recorder.get(), 7); });
  record(recorder.get(), 1);
  EXPECT_EQ(names_in(folder.path()).size(), 2U);
  EXPECT_EQ(requests_of(file_of(folder, ::getpid()), SERIN_OK), 6U);
  EXPECT_EQ(requests_of(file_of(folder, child.pid()), SERIN_OK), 7U);
  EXPECT_NE(file_of(folder, child.pid()).head().start_ticks, 0U);
}

TEST(ForkedRecorder, MakesNoFileForAChildThatRecordsNothing) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  Forked child([] {});
  EXPECT_EQ(names_in(folder.path()).size(), 1U);
}

TEST(ForkedRecorder, LosesNothingWhenThreadsOfAChildRecordForTheFirstTimeAtOnce) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  Forked child([&] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t) threads.emplace_back([&] { record(recorder.get(), 1000); });
  });
  EXPECT_EQ(requests_of(file_of(folder, child.pid()), SERIN_OK), 6000U);
}

TEST(ForkedRecorder, IsLockedByTheProcessThatWritesItUntilThatEnds) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  Forked child([&] { record(recorder.get(), 1); });
  auto file = file_of(folder, child.pid());
  EXPECT_EQ(file.locked_by(), child.pid());
  Forked grandchild([] {});  // shares the parent's descriptors, not its lock
  child.kill();
  EXPECT_EQ(file.locked_by(), 0);
  EXPECT_EQ(requests_of(file, SERIN_OK), 1U);
}

TEST(ForkedRecorder, OfAProcessThatIsHiddenFromTheAgentIsNotCountedAndSaysWhy) {
  TempFolder folder, proc;
  auto recorder = open_recorder(folder.path());
  Forked child([&] { record(recorder.get(), 1); });
  ServiceFile service;
  service.process = ServiceFile::ByUnit{{"api.service"}};
  WriterJudge judge(service, {.boot_id = "boot", .proc = proc.path()});
  auto file = file_of(folder, child.pid());
  EXPECT_EQ(judge.living(file), child.pid());  // by the lock
  auto verdict = judge.judge(file, child.pid(), Timeline(), [](uint64_t) { return 0; });
  EXPECT_EQ(verdict.kind, WriterJudge::Verdict::Kind::unknown);
  EXPECT_NE(verdict.reason.find("hidepid"), std::string::npos) << verdict.reason;
}

TEST(ForkedRecorder, ShowsWhatAProcessRecordedThatWasKilledInTheMiddle) {
  TempFolder folder;
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    auto recorder = open_recorder(folder.path(), {}, {}, 1);
    for (uint32_t i = 1;; ++i) {
      ::serin_record(recorder.get(), SERIN_OK, 1000);
      if (::write(told[1], &i, sizeof i) != sizeof i) ::_exit(1);
    }
  }
  ::close(told[1]);
  uint32_t said = 0;
  while (said < 1000) ASSERT_EQ(::read(told[0], &said, sizeof said), ssize_t{sizeof said});
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  while (::read(told[0], &said, sizeof said) == sizeof said) {
  }
  ::close(told[0]);
  uint64_t shown = requests_of(only_file(folder.path()), SERIN_OK);
  EXPECT_GE(shown, said);
  EXPECT_LE(shown, said + 1);
}

}  // namespace
}  // namespace serin::agent
