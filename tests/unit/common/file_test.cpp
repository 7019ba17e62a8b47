#include "common/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/common/temporary_folder.h"

namespace serin {
namespace {

size_t entries_of(const std::filesystem::path& folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

TEST(File, ReadsAllOfAFileOrSaysWhyNot) {
  const TemporaryFolder folder;
  const std::string text(100'000, 'x');
  const auto file = folder.write("a", text);
  EXPECT_EQ(read_file(file, 100'000).value(), text);
  const auto too_long = read_file(file, 99'999);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().message, file.native() + " is longer than the 99999 bytes allowed");
  const auto absent = read_file(folder.path() / "b", 10);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().message,
            "cannot open " + (folder.path() / "b").native() + ": No such file or directory");
  EXPECT_FALSE(read_file(folder.path(), 10));
}

TEST(File, ReadsProcfsWhereTheSizeIsZero) {
  const auto text = read_file("/proc/self/stat", 4096);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->starts_with(std::to_string(::getpid())));
}

TEST(File, APipeIsRefusedAndDoesNotBlock) {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(read_file(pipe, 10));
}

TEST(File, WritingPutsTheWholeTextInPlaceAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const auto file = folder.write("a", "old");
  ASSERT_TRUE(write_file_atomically(file, "new text", 0640));
  EXPECT_EQ(read_file(file, 100).value(), "new text");
  struct stat facts{};
  ASSERT_EQ(::stat(file.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777u, 0640u);
  EXPECT_EQ(entries_of(folder.path()), 1u);
}

TEST(File, AFailedWriteLeavesTheOldTextAndNoRest) {
  const TemporaryFolder folder;
  EXPECT_FALSE(write_file_atomically(folder.path() / "no-folder" / "a", "x"));
  const auto busy = folder.path() / "busy";
  std::filesystem::create_directory(busy);  // rename of a file over a folder fails
  folder.write("busy/old", "old");
  EXPECT_FALSE(write_file_atomically(busy, "new"));
  EXPECT_EQ(entries_of(folder.path()), 1u);
  EXPECT_EQ(read_file(busy / "old", 10).value(), "old");
}

/// No file of this process may grow beyond some bytes: the same path as a full disk.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) {
    SERIN_VERIFY(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small = {bytes, before_.rlim_max};
    SERIN_VERIFY(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  }
  ~SmallFiles() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, SIG_DFL);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  rlimit before_{};
};

TEST(File, ADiskThatIsFullInTheMiddleLeavesTheOldText) {
  const TemporaryFolder folder;
  const auto file = folder.write("a", "old");
  {
    const SmallFiles limit(4096);
    const auto written = write_file_atomically(file, std::string(100'000, 'x'));
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().message.find("cannot write"), std::string::npos);
  }
  EXPECT_EQ(read_file(file, 10).value(), "old");
  EXPECT_EQ(entries_of(folder.path()), 1u);
}

TEST(File, FoldersAreMadeWithTheirModeAndWhatIsThereStays) {
  const TemporaryFolder folder;
  const auto mode_of = [](const std::filesystem::path& path) {
    return static_cast<unsigned>(std::filesystem::status(path).permissions());
  };
  const auto own = folder.path() / "serin" / "agent";
  const mode_t before = ::umask(0077);
  const auto made = make_folders(own, 0700);
  const auto open = make_folders(folder.path() / "run/", 0755);
  ::umask(before);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(open) << open.error().message;
  EXPECT_EQ(mode_of(own), 0700u);
  EXPECT_EQ(mode_of(own.parent_path()), 0755u);
  EXPECT_EQ(mode_of(folder.path() / "run"), 0755u);
  ASSERT_EQ(::chmod(own.c_str(), 0750), 0);
  ASSERT_TRUE(make_folders(own, 0700));
  EXPECT_EQ(mode_of(own), 0750u);
  const auto file = folder.write("file", "");
  EXPECT_FALSE(make_folders(file, 0700));
  EXPECT_FALSE(make_folders(file / "below", 0700));
}

TEST(File, ADescriptorIsClosedOnceByItsLastOwner) {
  UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  UniqueFd second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): moved-from is empty by promise
  EXPECT_EQ(second.get(), number);
  EXPECT_NE(::fcntl(number, F_GETFD), -1);
  second = UniqueFd();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace serin
