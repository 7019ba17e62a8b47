#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/request/file_tail.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
namespace fs = std::filesystem;

class FileTailTest : public testing::Test {
 protected:
  std::vector<std::string> poll() { return poll(tail_); }
  static std::vector<std::string> poll(FileTail& tail) {
    std::vector<std::string> lines;
    tail.poll([&](std::string_view line) { lines.emplace_back(line); });
    return lines;
  }
  /// Files have their birth time from the kernel's coarse clock, which moves every few
  /// milliseconds.
  void wait_for_the_next_birth_time() {
    auto born = [&] {
      fs::remove(folder_ / "clock");
      write_text(folder_ / "clock", "");
      return LineReader::open(folder_ / "clock")->born_ns();
    };
    for (int64_t start = born(); born() == start;) {
    }
  }
  TempFolder folder_;
  fs::path log_ = folder_ / "access.log";
  FileTail tail_{log_};
};

TEST_F(FileTailTest, StartsAtTheEndOfAFileThatIsThere) {
  write_text(log_, "old\nhalf");
  EXPECT_THAT(poll(), IsEmpty());
  append_text(log_, " of an old line\nnew\n");
  EXPECT_THAT(poll(), ElementsAre("new"));
}

TEST_F(FileTailTest, ReadsAFileThatAppearsLaterFromItsBeginning) {
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_THAT(tail_.problem(), testing::HasSubstr("No such file"));
  write_text(log_, "one\ntwo\n");
  EXPECT_THAT(poll(), ElementsAre("one", "two"));
  EXPECT_TRUE(tail_.problem().empty());
}

TEST_F(FileTailTest, APartialLineWaitsForItsEnd) {
  write_text(log_, "");
  poll();
  append_text(log_, "one\ntw");
  EXPECT_THAT(poll(), ElementsAre("one"));
  EXPECT_THAT(poll(), IsEmpty());
  append_text(log_, "o\r\n");
  EXPECT_THAT(poll(), ElementsAre("two"));
}

TEST_F(FileTailTest, RenameRotationLosesNothing) {
  write_text(log_, "");
  poll();
  append_text(log_, "a1\na2\n");
  fs::rename(log_, folder_ / "access.log.1");
  append_text(folder_ / "access.log.1", "a3\n");  // the writer has not reopened yet
  EXPECT_THAT(poll(), ElementsAre("a1", "a2", "a3"));
  write_text(log_, "b1\n");
  EXPECT_THAT(poll(), ElementsAre("b1"));
  append_text(folder_ / "access.log.1", "a4\n");
  append_text(log_, "b2\n");
  EXPECT_THAT(poll(), ElementsAre("a4", "b2"));
  EXPECT_EQ(tail_.counts().rotations, 1U);
}

TEST_F(FileTailTest, TwoRotationsBetweenTwoPollsLoseNothing) {
  write_text(log_, "old\n");
  poll();
  append_text(log_, "a\n");
  wait_for_the_next_birth_time();
  fs::rename(log_, folder_ / "access.log.1");
  write_text(log_, "b\n");
  wait_for_the_next_birth_time();
  fs::rename(folder_ / "access.log.1", folder_ / "access.log.2");
  fs::rename(log_, folder_ / "access.log.1");
  write_text(log_, "c\n");
  EXPECT_THAT(poll(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(tail_.counts().rotations, 2U);
}

TEST_F(FileTailTest, ACopySomebodyMadeIsNotARotatedFile) {
  write_text(log_, "same beginning\n");
  poll();
  wait_for_the_next_birth_time();
  fs::copy_file(log_, folder_ / "access.log.bak");
  wait_for_the_next_birth_time();
  fs::rename(log_, folder_ / "access.log.1");
  write_text(log_, "new\n");
  EXPECT_THAT(poll(), ElementsAre("new"));
}

TEST_F(FileTailTest, CopyAndTruncateStartsAgainAtTheBeginning) {
  write_text(log_, "");
  poll();
  append_text(log_, "a1\na2 is longer\n");
  EXPECT_EQ(poll().size(), 2U);
  fs::copy_file(log_, folder_ / "access.log.1");
  fs::resize_file(log_, 0);
  append_text(log_, "b1\n");
  EXPECT_THAT(poll(), ElementsAre("b1"));
  EXPECT_EQ(tail_.counts().truncations, 1U);
}

TEST_F(FileTailTest, ATruncatedFileThatHasGrownPastTheOldPlaceIsNoticed) {
  write_text(log_, "");
  poll();
  append_text(log_, "a1\n");
  EXPECT_EQ(poll().size(), 1U);
  fs::resize_file(log_, 0);
  append_text(log_, "b1\nb2\nb3\n");
  EXPECT_THAT(poll(), ElementsAre("b1", "b2", "b3"));
}

TEST_F(FileTailTest, TheHoleOfAWriterWithoutAppendIsJumped) {
  write_text(log_, "");
  poll();
  append_text(log_, "a1\n");
  poll();
  fs::resize_file(log_, 0);
  int fd = ::open(log_.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, "b1\nb2\n", 6, 64 << 20), 6);
  ::close(fd);
  auto lines = poll();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].ends_with("b1"));
  EXPECT_LE(lines[0].size(), 65'536U);
  EXPECT_EQ(lines[1], "b2");
}

TEST_F(FileTailTest, ALineOfTenMegabytesIsDroppedAndCounted) {
  write_text(log_, "");
  poll();
  append_text(log_, std::string(10 << 20, 'x'));
  EXPECT_THAT(poll(), IsEmpty());
  append_text(log_, "still the same line\nnext\n");
  EXPECT_THAT(poll(), ElementsAre("next"));
  EXPECT_EQ(tail_.counts().oversized, 1U);
}

TEST_F(FileTailTest, ALineAtTheLimitIsKept) {
  write_text(log_, "");
  poll();
  append_text(log_, std::string(LineReader::kMaxLineBytes, 'x') + "\n" +
                        std::string(LineReader::kMaxLineBytes + 1, 'y') + "\nz\n");
  auto lines = poll();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].size(), LineReader::kMaxLineBytes);
  EXPECT_EQ(lines[1], "z");
  EXPECT_EQ(tail_.counts().oversized, 1U);
}

TEST_F(FileTailTest, ADirectoryOrAFifoInPlaceOfTheFileIsNamedAndDoesNotHang) {
  fs::create_directory(log_);
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_THAT(tail_.problem(), testing::HasSubstr("a directory"));
  fs::remove(log_);
  ASSERT_EQ(::mkfifo(log_.c_str(), 0600), 0);
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_THAT(tail_.problem(), testing::HasSubstr("a FIFO"));
  fs::remove(log_);
  write_text(log_, "ok\n");
  EXPECT_THAT(poll(), ElementsAre("ok"));
}

TEST_F(FileTailTest, ADirectoryOrAFifoThatTakesTheFilesPlaceLosesNothingAndDoesNotHang) {
  write_text(log_, "");
  poll();
  fs::rename(log_, folder_ / "access.log.1");
  append_text(folder_ / "access.log.1", "one\n");
  ASSERT_EQ(::mkfifo(log_.c_str(), 0600), 0);
  EXPECT_THAT(poll(), ElementsAre("one"));
  EXPECT_THAT(tail_.problem(), testing::HasSubstr("a FIFO"));
  fs::remove(log_);
  fs::create_directory(log_);
  append_text(folder_ / "access.log.1", "two\n");
  EXPECT_THAT(poll(), ElementsAre("two"));
  EXPECT_THAT(tail_.problem(), testing::HasSubstr("a directory"));
  fs::remove(log_);
  write_text(log_, "three\n");
  EXPECT_THAT(poll(), ElementsAre("three"));
  EXPECT_TRUE(tail_.problem().empty());
}

TEST_F(FileTailTest, NulsAndInvalidTextAreHandedOverAsTheyAre) {
  write_text(log_, "");
  poll();
  std::string odd("a\0b \xff\xfe\xc0\xaf", 8);
  append_text(log_, odd + "\nnext\n");
  EXPECT_THAT(poll(), ElementsAre(odd, "next"));
}

TEST_F(FileTailTest, AfterARestartOfTheAgentItGoesOnWhereItStood) {
  write_text(log_, "old\n");
  poll();
  append_text(log_, "one\ntw");
  EXPECT_THAT(poll(), ElementsAre("one"));
  auto position = tail_.position();
  ASSERT_TRUE(position);
  append_text(log_, "o\nthree\n");
  FileTail second(log_, position);
  EXPECT_THAT(poll(second), ElementsAre("two", "three"));
}

TEST_F(FileTailTest, ARotationWhileTheAgentWasAwayLosesNothing) {
  write_text(log_, "old\n");
  poll();
  append_text(log_, "one\n");
  poll();
  auto position = tail_.position();
  append_text(log_, "two\n");
  fs::rename(log_, folder_ / "access.log.1");
  write_text(log_, "three\n");
  FileTail second(log_, position);
  EXPECT_THAT(poll(second), ElementsAre("two", "three"));
}

TEST_F(FileTailTest, ARestartBetweenARenameAndTheNewFileLosesNothing) {
  write_text(log_, "old\n");
  poll();
  append_text(log_, "one\n");
  poll();
  auto position = tail_.position();
  fs::rename(log_, folder_ / "access.log.1");
  append_text(folder_ / "access.log.1", "two\n");
  FileTail second(log_, position);
  EXPECT_THAT(poll(second), ElementsAre("two"));
  append_text(folder_ / "access.log.1", "three\n");
  write_text(log_, "four\n");
  EXPECT_THAT(poll(second), ElementsAre("three", "four"));
}

TEST_F(FileTailTest, ALogThatGrowsByAGigabyteIsReadPieceByPiece) {
  write_text(log_, "old\n");
  poll();
  fs::resize_file(log_, uint64_t{1} << 30);
  append_text(log_, "\nlast\n");
  std::vector<std::string> lines;
  size_t polls = 0;
  for (size_t read = 1; read > 0; ++polls) {
    read = tail_.poll([&](std::string_view line) { lines.emplace_back(line); });
    ASSERT_LE(read, FileTail::kMaxBytesPerPoll + LineReader::kBlockBytes);
  }
  EXPECT_GE(polls, 64U);
  EXPECT_THAT(lines, ElementsAre("last"));
  EXPECT_EQ(tail_.counts().oversized, 1U);
}

/// Peak memory of this process, KiB.
long peak_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST_F(FileTailTest, ThreeHundredMegabytesOfLinesAtOnceAreAllReadInSlicesAndInLittleMemory) {
  constexpr size_t kBlocks = 300, kLines = 8192;
  write_text(log_, "");
  poll();
  {
    std::string block;
    for (size_t i = 0; i < kLines; ++i) block += std::string(127, 'x') + "\n";
    UniqueFd out(::open(log_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    for (size_t i = 0; i < kBlocks; ++i)
      ASSERT_EQ(::write(out.get(), block.data(), block.size()), static_cast<ssize_t>(block.size()));
  }
  long before_kib = peak_kib();
  uint64_t lines = 0;
  size_t polls = 0;
  for (bool more = true; more; more = tail_.is_behind(), ++polls) {
    size_t read = tail_.poll([&](std::string_view) { ++lines; });
    ASSERT_LE(read, FileTail::kMaxBytesPerPoll + LineReader::kBlockBytes);
  }
  EXPECT_EQ(lines, kBlocks * kLines);
  EXPECT_GE(polls, (kBlocks << 20) / (FileTail::kMaxBytesPerPoll + LineReader::kBlockBytes));
  EXPECT_LT(peak_kib() - before_kib, 8 * 1024);
}

TEST_F(FileTailTest, ATruncationWhileTheAgentWasAwayReadsFromTheBeginning) {
  write_text(log_, "a long first line\n");
  poll();
  auto position = tail_.position();
  fs::resize_file(log_, 0);
  append_text(log_, "new\n");
  FileTail second(log_, position);
  EXPECT_THAT(poll(second), ElementsAre("new"));
}

TEST_F(FileTailTest, AnEnormousBacklogIsCutToItsEnd) {
  write_text(log_, "");
  poll();
  auto position = tail_.position();
  fs::resize_file(log_, FileTail::kMaxBacklogBytes + (8 << 20));
  append_text(log_, "\nlast\n");
  FileTail second(log_, position);
  std::vector<std::string> lines;
  for (int i = 0; i < 8; ++i)
    for (auto& line : poll(second)) lines.push_back(std::move(line));
  EXPECT_THAT(lines, ElementsAre("last"));
  EXPECT_GT(second.counts().skipped_bytes, 0U);
}

}  // namespace
}  // namespace serin::agent
