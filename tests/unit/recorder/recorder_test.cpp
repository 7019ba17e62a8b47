#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <thread>

#include "common/exp_histogram.h"
#include "tests/unit/agent/temp_folder.h"
#include "tests/unit/recorder/recorders.h"

extern "C" int recorder_plain_c(const char* folder);

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

int bucket_of(uint64_t nanoseconds) {
  return static_cast<int>(::serin_recorder_column(nanoseconds)) + SERIN_RECORDER_FIRST_BUCKET;
}

TEST(Recorder, PutsALatencyIntoTheBucketThatSerinsHistogramHasForIt) {
  std::vector<uint64_t> latencies = {0, 1, 2, 999, 1000, 1'000'000'000, SERIN_NO_DURATION - 1};
  for (int index = ExpHistogram::kMinIndex; index <= ExpHistogram::kMaxIndex; ++index) {
    auto edge = static_cast<uint64_t>(ExpHistogram::upper_bound(index) * 1e9);
    for (uint64_t near : {edge - 1, edge, edge + 1, edge + 2}) latencies.push_back(near);
  }
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) latencies.push_back(random() >> (random() % 64));
  for (uint64_t latency : latencies) {
    if (latency == SERIN_NO_DURATION) continue;
    ASSERT_EQ(bucket_of(latency), ExpHistogram::index_of(static_cast<double>(latency) * 1e-9))
        << latency << " ns";
  }
}

TEST(Recorder, WholePowersOfTwoEndTheirBucket) {
  // 2^-9 s is a whole number of nanoseconds: the only kind of value that lies exactly on an edge.
  EXPECT_EQ(bucket_of(1'953'125), ExpHistogram::index_of(1'953'125 * 1e-9));
  EXPECT_EQ(bucket_of(1'953'125) + 1, bucket_of(1'953'126));
}

TEST(Recorder, ShowsEachRequestOfEachThread) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path(), {"read", "write"}, {"orders"}, 4);
  constexpr int kThreads = 8, kEach = 20'000;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        ::serin_record_class(recorder.get(), i % 2, static_cast<serin_outcome>(i % 5),
                             static_cast<uint64_t>(i) * 1000);
        ::serin_count(recorder.get(), 0, 3);
      }
    });
  threads.clear();
  auto file = only_file(folder.path());
  for (size_t outcome = 0; outcome < 5; ++outcome)
    for (size_t c = 0; c < 2; ++c)
      EXPECT_EQ(requests_of(file, outcome, c), uint64_t{kThreads} * kEach / 10);
  EXPECT_EQ(read(file)[file.head().counter_cell(0)], uint64_t{kThreads} * kEach * 3);
  EXPECT_EQ(file.head().class_names, (std::vector<std::string>{"read", "write"}));
  EXPECT_EQ(file.head().counter_names, (std::vector<std::string>{"orders"}));
}

TEST(Recorder, CanBeReadWhileThreadsRecordAndNeverShowsLessThanBefore) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  auto file = only_file(folder.path());
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100'000; ++i) ::serin_record(recorder.get(), SERIN_OK, 5'000'000);
    });
  uint64_t before = 0;
  while (before < 300'000) {
    uint64_t now = requests_of(file, SERIN_OK);
    ASSERT_GE(now, before);
    ASSERT_LE(now, 300'000U);
    before = now;
  }
}

TEST(Recorder, KeepsRequestsOfWhichNobodyKnowsHowLongTheyTookOutOfTheLatencies) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  ::serin_record(recorder.get(), SERIN_ABORTED, SERIN_NO_DURATION);
  auto file = only_file(folder.path());
  auto sums = read(file);
  EXPECT_EQ(sums[file.head().request_cell(0, SERIN_ABORTED) + RecorderHead::kColumns - 1], 1U);
}

TEST(Recorder, CountsCallsThatNameWhatIsNotThere) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path(), {}, {"orders"});
  ::serin_record_class(recorder.get(), 1, SERIN_OK, 1);
  ::serin_record(recorder.get(), static_cast<serin_outcome>(7), 1);
  ::serin_count(recorder.get(), 1, 100);
  auto file = only_file(folder.path());
  EXPECT_EQ(read(file)[file.head().misuse_cell()], 3U);
  EXPECT_EQ(requests_of(file, SERIN_OK), 0U);
}

TEST(Recorder, RefusesNamesThatNoServiceFileCouldHold) {
  TempFolder folder;
  for (const char* name : {"", "Api", "a/b", "../x", "a.b", "-a", "_a",
                           "a123456789012345678901234567890123456789012345678901234567890123"}) {
    EXPECT_EQ(open_recorder(folder.path(), {}, {}, 0, name), nullptr) << name;
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_EQ(open_recorder(folder.path(), {"a b"}), nullptr);
  EXPECT_EQ(open_recorder(folder.path(), {}, std::vector<const char*>(17, "x")), nullptr);
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(Recorder, WithoutItsFolderRecordsNothingAndTriesAgain) {
  TempFolder folder;
  auto recorder = open_recorder(folder / "later");
  ASSERT_NE(recorder, nullptr);
  EXPECT_EQ(::serin_recorder_error(recorder.get()), ENOENT);
  ::serin_record(recorder.get(), SERIN_OK, 1);
  fs::create_directory(folder / "later");
  ::serin_record(recorder.get(), SERIN_OK, 1);
  EXPECT_TRUE(names_in(folder / "later").empty());  // not yet: it asks each 5 s
  recorder->live->retry_at = 0;
  ::serin_record(recorder.get(), SERIN_OK, 1);
  EXPECT_EQ(::serin_recorder_error(recorder.get()), 0);
  EXPECT_EQ(requests_of(only_file(folder / "later"), SERIN_OK), 1U);
}

TEST(Recorder, LeavesErrnoAsItWas) {
  TempFolder folder;
  auto recorder = open_recorder(folder / "later");
  recorder->live->retry_at = 0;
  errno = EDOM;
  ::serin_record(recorder.get(), SERIN_OK, 1);
  EXPECT_EQ(errno, EDOM);
}

TEST(Recorder, DoesNotFillTheHostWhenNobodyClearsTheFilesOfTheDeadAway) {
  TempFolder folder;
  for (int i = 0; i < SERIN_RECORDER_MOST_FILES; ++i)
    std::ofstream(folder / ("api." + std::to_string(i + 1) + ".0123456789abcdef"));
  auto recorder = open_recorder(folder.path());
  EXPECT_EQ(::serin_recorder_error(recorder.get()), EDQUOT);
  EXPECT_EQ(names_in(folder.path()).size(), size_t{SERIN_RECORDER_MOST_FILES});
  auto other =
      open_recorder(folder.path(), {}, {}, 0, "apis");  // another service's place is its own
  EXPECT_EQ(::serin_recorder_error(other.get()), 0);
}

TEST(Recorder, AllocatesItsFileBeforehandAndLetsOthersReadIt) {
  TempFolder folder;
  mode_t before = ::umask(077);
  auto recorder = open_recorder(folder.path());
  ::umask(before);
  struct stat status{};
  ASSERT_EQ(::stat((folder / names_in(folder.path()).at(0)).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644U);
  EXPECT_EQ(static_cast<size_t>(status.st_size), ::serin_recorder_bytes(recorder.get()));
  EXPECT_GE(status.st_blocks * 512, status.st_size);
}

TEST(Recorder, SpreadsThreadsOverItsShards) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path(), {}, {}, 3);
  EXPECT_EQ(recorder->shards, 4U);
  for (int t = 0; t < 4; ++t)
    std::jthread([&] { ::serin_record(recorder.get(), SERIN_OK, 1); }).join();
  for (unsigned shard = 0; shard < 4; ++shard) {
    const uint64_t* cells = recorder->live->cells + shard * recorder->shard_cells;
    EXPECT_EQ(cells[::serin_recorder_column(1)], 1U) << shard;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(cells) % 128, 0U);
  }
}

TEST(Recorder, CompilesAsStrictC) {
  TempFolder folder;
  EXPECT_EQ(::recorder_plain_c(folder.path().c_str()), 0);
  EXPECT_EQ(requests_of(only_file(folder.path()), SERIN_OK), 1U);
}

TEST(Recorder, LeavesItsFileWhenItIsClosed) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  ::serin_record(recorder.get(), SERIN_OK, 1);
  recorder.reset();
  EXPECT_EQ(requests_of(only_file(folder.path()), SERIN_OK), 1U);
}

TEST(Recorder, ClosesNoDescriptorThatSomebodyElseGotMeanwhile) {
  TempFolder folder;
  auto recorder = open_recorder(folder.path());
  int number = recorder->fd;
  UniqueFd other(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::dup2(other.get(), number), number);  // closed by a program that knew it not
  ::serin_record(recorder.get(), SERIN_OK, 1);
  recorder.reset();
  EXPECT_EQ(::close(number), 0);
}

}  // namespace
}  // namespace serin::agent
