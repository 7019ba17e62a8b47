#include "agent/rollback/libraries.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "common/file.h"
#include "schema/limits.h"
#include "schema/wire.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kMaps =
    "55d0c8a00000-55d0c8a02000 r--p 00000000 08:01 131 /usr/bin/sleep\n"
    "55d0c8a02000-55d0c8a06000 r-xp 00002000 08:01 131 /usr/bin/sleep\n"
    "55d0ca000000-55d0ca021000 rw-p 00000000 00:00 0                          [heap]\n"
    "7f1000000000-7f1000020000 r--s 00000000 08:01 900 /usr/share/locale/a file.mo\n"
    "7f1000100000-7f1000120000 r-xp 00000000 08:01 901 /srv/my app/lib/libx.so\n"
    "7f1000200000-7f1000355000 r-xp 00026000 08:01 902 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
    "7f1000400000-7f1000401000 r-xp 00000000 08:01 903 /usr/lib/libssl.so.3 (deleted)\n"
    "7f1000500000-7f1000501000 rwxp 00000000 00:01 44  /memfd:jit (deleted)\n"
    "7f1000600000-7f1000601000 rwxp 00000000 00:00 0\n"
    "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\n"
    "7f1000700000-7f1000855000 r-xp 00155000 08:01 902 /usr/lib/x86_64-linux-gnu/libc.so.6\n";

TEST(ExecutableFiles, AreEachNamedOnceAndWithoutWhatNoFileSystemHolds) {
  EXPECT_THAT(executable_files(kMaps),
              ElementsAre("/srv/my app/lib/libx.so", "/usr/bin/sleep",
                          "/usr/lib/libssl.so.3 (deleted)", "/usr/lib/x86_64-linux-gnu/libc.so.6"));
}

TEST(ExecutableFiles, OfRubbishAreNone) {
  for (const char* text : {"", "\n\n", "r-xp", "a r-xp\n", "a r-xp 0 0 0", "a r-xp 0 0 0 [x]\n",
                           "\xFF\xFE r-xp 1 2 3 relative/path\n"}) {
    EXPECT_THAT(executable_files(text), IsEmpty()) << text;
  }
}

/// A process of a captured procfs, its root and what it has mapped there.
class LibrariesTest : public testing::Test {
 protected:
  LibrariesTest() {
    settings_.proc = folder_ / "proc";
    fs::create_directories(root_ / "usr/lib");
    fs::create_directories(folder_ / "proc/7");
    fs::create_directory_symlink(root_, folder_ / "proc/7/root");
    running_.process.pid = 7;
    Dl_info info{};
    SERIN_VERIFY(::dladdr(reinterpret_cast<void*>(&::getpid), &info) != 0);
    libc_ = info.dli_fname;
  }
  ~LibrariesTest() override { fs::remove_all(folder_); }

  void map(const std::string& path) {
    maps_ += "7f10-7f20 r-xp 00000000 08:01 902 " + path + "\n";
    write_text(folder_ / "proc/7/maps", maps_);
  }
  MappedLibraries look(const std::optional<Releases>& releases = std::nullopt) {
    return mapped_libraries(settings_, running_, releases);
  }

  fs::path folder_ = fs::temp_directory_path() / ("serin-libraries-" + std::to_string(::getpid()));
  fs::path root_ = folder_ / "root";
  fs::path libc_;
  Settings settings_;
  Running running_;
  std::string maps_;
};

TEST_F(LibrariesTest, AreToldApartByTheirBuildId) {
  fs::copy_file(fs::canonical(libc_), root_ / "usr/lib/libc.so.6");
  map("/usr/lib/libc.so.6");
  const auto seen = look();
  ASSERT_TRUE(seen.known) << seen.problem;
  ASSERT_EQ(seen.list.size(), 1u);
  EXPECT_EQ(seen.list[0].name, "libc.so.6");
  EXPECT_EQ(seen.list[0].id.size(), 16u);
  EXPECT_EQ(seen.list[0].id.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST_F(LibrariesTest, ThatHaveNoBuildIdAreToldApartByTheirSize) {
  write_text(root_ / "usr/lib/libx.so", "no elf");
  map("/usr/lib/libx.so");
  EXPECT_THAT(look().list, ElementsAre(MappedLibrary{"libx.so", "6B"}));
}

TEST_F(LibrariesTest, OfTheReleaseItselfAreNotOfTheHost) {
  fs::create_directories(folder_ / "releases/v2/lib");
  const auto releases = Releases::open(folder_ / "releases");
  ASSERT_TRUE(releases);
  map((folder_ / "releases/v2/lib/libapp.so").native());
  map("/usr/lib/libx.so");
  const auto seen = mapped_libraries(settings_, running_, *Releases::open(folder_ / "releases"));
  EXPECT_THAT(seen.list, ElementsAre(MappedLibrary{"libx.so", "unreadable"}));
}

TEST_F(LibrariesTest, WithoutAReleasesFolderAreThoseOfTheSystem) {
  map("/opt/app/lib/libapp.so");
  map("/usr/local/lib/libx.so");
  EXPECT_THAT(look().list, ElementsAre(MappedLibrary{"libx.so", "unreadable"}));
}

TEST_F(LibrariesTest, ThatWereReplacedSinceSaySo) {
  map("/usr/lib/libssl.so.3 (deleted)");
  EXPECT_THAT(look().list, ElementsAre(MappedLibrary{"libssl.so.3", "replaced"}));
}

TEST_F(LibrariesTest, ThatAServiceTurnsIntoALinkAreNotFollowed) {
  write_text(folder_ / "secret", "secret");
  fs::create_symlink(folder_ / "secret", root_ / "usr/lib/libx.so");
  ASSERT_EQ(::mkfifo((root_ / "usr/lib/liby.so").c_str(), 0600), 0);
  map("/usr/lib/libx.so");
  map("/usr/lib/liby.so");
  map("/usr/lib/../../../secret");
  EXPECT_THAT(look().list, ElementsAre(MappedLibrary{"libx.so", "unreadable"},
                                       MappedLibrary{"liby.so", "unreadable"},
                                       MappedLibrary{"secret", "unreadable"}));
}

TEST_F(LibrariesTest, MoreThanAnAnswerHoldsAreCountedAndTheAnswerStillFits) {
  for (size_t i = 0; i < limits::kLibraries + 9; ++i)
    map("/usr/lib/" + std::string(90, 'n') + std::to_string(i));
  for (size_t i = 0; i < limits::kLibraries + 9; ++i)
    map("/usr/lib/lib" + std::to_string(i) + std::string(90, 'n'));
  HelperReply reply{.text = std::string(limits::kTextBytes, 't'), .libraries = look()};
  EXPECT_EQ(reply.libraries.list.size(), limits::kLibraries);
  EXPECT_GT(reply.libraries.left_out, 0u);
  const Bytes bytes = wire::encode(reply);
  EXPECT_LE(bytes.size(), wire::kMaxCommandBytes);
  const auto read = wire::decode_helper_reply(bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->libraries, reply.libraries);
}

TEST_F(LibrariesTest, OfAProcessThatEndedAreUnknownAndSayWhy) {
  const auto seen = look();
  EXPECT_FALSE(seen.known);
  EXPECT_NE(seen.problem.find("maps"), std::string::npos) << seen.problem;
}

TEST_F(LibrariesTest, OfThisVeryTestAreFound) {
  settings_.proc = "/proc";
  running_.process.pid = ::getpid();
  const auto seen = look();
  ASSERT_TRUE(seen.known) << seen.problem;
  const auto libc = std::ranges::find(seen.list, "libc.so.6", &MappedLibrary::name);
  ASSERT_NE(libc, seen.list.end());
  EXPECT_EQ(libc->id.size(), 16u);
}

}  // namespace
}  // namespace serin::helper
