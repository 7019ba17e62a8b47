#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fmt/core.h>

#include "agent/probe/process_probe.h"
#include "agent/service/exit_watch.h"
#include "agent/service/finder.h"
#include "agent/service/name_watch.h"
#include "agent/service/running_release.h"
#include "agent/service/version_history.h"
#include "agent/service/version_journal.h"
#include "agent/service/version_source.h"
#include "tests/unit/agent/child.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;
constexpr int64_t kSecond = 1'000'000;

// ---- which version a process runs

TEST(VersionHistory, AProcessRunsWhatTheLinkSaidAtItsStart) {
  VersionHistory history;
  history.note({"v1", 100 * kSecond});
  history.note({"v2", 200 * kSecond});
  EXPECT_EQ(history.as_of(150 * kSecond), (VersionHistory::Found{"v1", false}));
  EXPECT_EQ(history.as_of(250 * kSecond), (VersionHistory::Found{"v2", false}));
  EXPECT_EQ(history.as_of(200 * kSecond + 50'000), (VersionHistory::Found{"v2", false}));
  EXPECT_EQ(history.as_of(50 * kSecond), std::nullopt);
}

TEST(VersionHistory, WithinFiftyMillisecondsOfAChangeNobodyCanTell) {
  VersionHistory history;
  history.note({"v1", 100 * kSecond});
  history.note({"v2", 200 * kSecond});
  EXPECT_EQ(history.as_of(200 * kSecond + 49'000), (VersionHistory::Found{"v2", true}));
  EXPECT_EQ(history.as_of(200 * kSecond - 49'000), (VersionHistory::Found{"v1", true}));
}

TEST(VersionHistory, TheFirstValueKnownJustAfterTheStartIsAGuess) {
  VersionHistory history;
  history.note({"v1", 100 * kSecond});
  EXPECT_EQ(history.as_of(100 * kSecond - 9'000), (VersionHistory::Found{"v1", true}));
  EXPECT_EQ(history.as_of(100 * kSecond - 51'000), std::nullopt);
}

TEST(VersionHistory, TheSameValueSetAgainIsNoChange) {
  VersionHistory history;
  history.note({"v1", 100 * kSecond});
  history.note({"v1", 200 * kSecond});
  EXPECT_EQ(history.as_of(200 * kSecond + 1'000), (VersionHistory::Found{"v1", false}));
}

ServiceFile linked(const fs::path& link) {
  ServiceFile service;
  service.name = "api";
  service.version = ServiceFile::VersionSymlink{link};
  return service;
}

TEST(VersionSource, FollowsALinkThatIsReplaced) {
  TempFolder folder;
  fs::create_directory_symlink("releases/v1", folder / "current");
  VersionSource source(linked(folder / "current"));
  EXPECT_TRUE(source.look());
  EXPECT_FALSE(source.look());
  EXPECT_EQ(source.selected(), "v1");
  EXPECT_EQ(source.releases(), folder / "releases");
  fs::create_directory_symlink((folder / "releases/v2/").string(), folder / "next");
  fs::rename(folder / "next", folder / "current");
  EXPECT_TRUE(source.look());
  EXPECT_EQ(source.selected(), "v2");
}

TEST(VersionSource, WhatCannotBeAVersionIsAProblemAndNotAGuess) {
  TempFolder folder;
  VersionSource source(linked(folder / "current"));
  EXPECT_FALSE(source.look());
  EXPECT_THAT(source.problem(), HasSubstr("No such file"));
  fs::create_directory(folder / "current");
  source.look();
  EXPECT_THAT(source.problem(), HasSubstr("not a symbolic link"));
  fs::remove(folder / "current");
  fs::create_directory_symlink("releases/.hidden", folder / "current");
  source.look();
  EXPECT_THAT(source.problem(), HasSubstr("cannot be a version"));
  EXPECT_EQ(source.selected(), "");
}

TEST(VersionSource, TakesTheComponentBelowTheReleases) {
  TempFolder folder;
  auto service = linked(folder / "current");
  service.rollback.push_back({.action = "release_symlink", .releases = folder / "releases"});
  fs::create_directory_symlink("releases/v7/public", folder / "current");
  VersionSource source(service);
  source.look();
  EXPECT_EQ(source.selected(), "v7");
}

TEST(VersionSource, ReadsTheFirstLineOfAFile) {
  TempFolder folder;
  write_text(folder / "VERSION", "  1.4.3 \r\nbuilt today\n");
  ServiceFile service;
  service.version = ServiceFile::VersionFile{folder / "VERSION"};
  VersionSource source(service);
  source.look();
  EXPECT_EQ(source.selected(), "1.4.3");
  write_text(folder / "VERSION", "\x01\n");
  source.look();
  EXPECT_THAT(source.problem(), HasSubstr("not a version"));
}

/// dpkg's own files, as far as they matter.
class DpkgFolder {
 public:
  DpkgFolder() {
    fs::create_directories(folder_ / "info");
    fs::create_directories(folder_ / "updates");
    status("Package: api-doc\nStatus: install ok installed\nVersion: 9\n");
  }
  [[nodiscard]] fs::path path() const { return folder_.path(); }
  void status(const std::string& text, const std::string& file = "status") {
    write_text(folder_ / "new", text);
    fs::rename(folder_ / "new", folder_ / file);
  }
  void list(const std::string& name) {
    write_text(folder_ / "new", "/.\n/usr/bin/api\n");
    fs::rename(folder_ / "new", folder_ / "info" / (name + ".list"));
  }
  static std::string paragraph(const std::string& version, const std::string& state) {
    return "Package: api\nStatus: install ok " + state +
           "\nArchitecture: amd64\nVersion: " + version + "\nDescription: x\n Version: not this\n";
  }

 private:
  TempFolder folder_;
};

ServiceFile packaged() {
  ServiceFile service;
  service.version = ServiceFile::VersionPackage{"api"};
  return service;
}

TEST(VersionSource, FollowsAPackageThatDpkgReplaces) {
  DpkgFolder dpkg;
  dpkg.list("api");
  dpkg.status("Package: api-doc\nVersion: 9\n\n" + DpkgFolder::paragraph("1:2.0-1", "installed"));
  VersionSource source(packaged(), dpkg.path());
  EXPECT_TRUE(source.look());
  EXPECT_FALSE(source.look());
  EXPECT_EQ(source.selected(), "1:2.0-1");
  EXPECT_EQ(source.path(), dpkg.path() / "info/api.list");

  // A run of dpkg: said in updates/ first, and in the status at the end.
  dpkg.status(DpkgFolder::paragraph("1:2.0-1", "half-installed"), "updates/0000");
  dpkg.list("api");
  EXPECT_FALSE(source.look());
  EXPECT_EQ(source.selected(), "") << "while its files are replaced nobody can tell";
  EXPECT_THAT(source.problem(), HasSubstr("is being replaced"));
  dpkg.status(DpkgFolder::paragraph("1:1.0-1", "unpacked"), "updates/0001");
  EXPECT_TRUE(source.look());
  EXPECT_EQ(source.selected(), "1:1.0-1");
  dpkg.status(DpkgFolder::paragraph("1:1.0-1", "installed"));
  EXPECT_FALSE(source.look()) << "set up is no other version";
  const auto since = source.history().last()->since_us;
  EXPECT_EQ(source.history().as_of(since + 100'000)->version, "1:1.0-1");
  EXPECT_EQ(source.history().as_of(since - 100'000), std::nullopt)
      << "the list that was there before was only seen later";
}

TEST(VersionSource, APackageOfOneOfSeveralArchitecturesIsFound) {
  DpkgFolder dpkg;
  dpkg.list("api:amd64");
  dpkg.status(DpkgFolder::paragraph("3", "installed"));
  VersionSource source(packaged(), dpkg.path());
  EXPECT_TRUE(source.look());
  EXPECT_EQ(source.selected(), "3");
}

TEST(VersionSource, APackageThatIsNotThereIsAProblemUntilItIs) {
  DpkgFolder dpkg;
  VersionSource source(packaged(), dpkg.path());
  EXPECT_FALSE(source.look());
  EXPECT_THAT(source.problem(), HasSubstr("package api is not installed"));
  dpkg.list("api");
  dpkg.status(DpkgFolder::paragraph("3", "config-files"));
  EXPECT_FALSE(source.look()) << "removed, and not purged";
  dpkg.status(DpkgFolder::paragraph("3", "installed"));
  EXPECT_TRUE(source.look());
  TempFolder none;
  VersionSource elsewhere(packaged(), none.path());
  EXPECT_TRUE(elsewhere.path().empty()) << "no dpkg here: the helper is asked";
}

TEST(RunningRelease, IsTheKernelsWordAboutTheProgram) {
  TempFolder folder;
  fs::create_directories(folder / "releases/v3");
  fs::copy_file("/bin/sleep", folder / "releases/v3/server");
  fs::create_directory_symlink("releases/v3", folder / "current");
  Child child(folder / "current/server");
  fs::remove(folder / "current");
  auto found = running_release(child.pid(), folder / "releases");
  EXPECT_EQ(found.version, "v3");
  EXPECT_TRUE(found.artefact.starts_with("exe:"));
  fs::remove_all(folder / "releases/v3");
  fs::create_directories(folder / "releases");
  EXPECT_EQ(running_release(child.pid(), folder / "releases").version, "v3");
}

TEST(RunningRelease, IsTheWorkingDirectoryOfAnInterpreter) {
  TempFolder folder;
  fs::create_directories(folder / "releases/v4/app");
  Child child("/bin/sleep", "1000", folder / "releases/v4/app");
  auto found = running_release(child.pid(), folder / "releases");
  EXPECT_EQ(found.version, "v4");
  EXPECT_TRUE(found.artefact.starts_with("dir:"));
  EXPECT_EQ(running_release(child.pid(), folder / "other").version, "");
}

TEST(RunningRelease, OnlyArtefactsOfOneKindCanTellAReplacement) {
  EXPECT_TRUE(is_other_artefact("exe:1:2:3:4", "exe:1:2:9:4"));
  EXPECT_FALSE(is_other_artefact("exe:1:2:3:4", "exe:1:2:3:4"));
  EXPECT_FALSE(is_other_artefact("exe:1:2:3:4", "dir:1:2:9:4"));
  EXPECT_FALSE(is_other_artefact("", "exe:1:2:9:4"));
  EXPECT_TRUE(is_other_artefact("c0ffee", "decade"));
}

// ---- finding the process

class PidFileFinderTest : public testing::Test {
 protected:
  void process(int pid, int ticks, char state = 'S') {
    write_text(folder_ / fmt::format("proc/{}/stat", pid),
               fmt::format("{} (api) {} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0\n", pid, state,
                           ticks));
  }
  void gone(int pid) { fs::remove_all(folder_ / fmt::format("proc/{}", pid)); }
  void pid_file(std::string_view text) {
    write_text(folder_ / "new", text);
    fs::rename(folder_ / "new", file_);
  }
  TempFolder folder_;
  fs::path file_ = folder_ / "api.pid";
  PidFileFinder finder_{file_, folder_ / "proc"};
  Moment now_ = HostClock().now();
};

TEST_F(PidFileFinderTest, FindsTheProcessAndItsStart) {
  process(42, 1000);
  pid_file("42\n");
  auto found = finder_.find(now_);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->pid, 42);
  EXPECT_EQ((*found)->start_ticks, 1000U);
  EXPECT_FALSE((*found)->already_ended);
}

TEST_F(PidFileFinderTest, NoFileOrAnEmptyOneMeansThatNothingRuns) {
  auto absent = finder_.find(now_);
  ASSERT_TRUE(absent);
  EXPECT_FALSE(*absent);
  pid_file("");
  auto empty = finder_.find(now_);
  ASSERT_TRUE(empty);
  EXPECT_FALSE(*empty);
}

TEST_F(PidFileFinderTest, ARecycledPidIsNotTheService) {
  process(42, 1000);
  pid_file("42\n");
  ASSERT_TRUE(*finder_.find(now_));
  gone(42);
  EXPECT_FALSE(*finder_.find(now_));
  process(42, 5000);
  auto found = finder_.find(now_);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("began after"));
  pid_file("42\n");
  ASSERT_TRUE(finder_.find(now_) && true);
}

TEST_F(PidFileFinderTest, AProcessThatCameAndWentBetweenTwoLooksIsToldOnce) {
  EXPECT_FALSE(*finder_.find(now_));
  pid_file("43\n");
  auto found = finder_.find(now_);
  ASSERT_TRUE(found && *found);
  EXPECT_TRUE((*found)->already_ended);
  EXPECT_FALSE(*finder_.find(now_));
  process(44, 2000, 'Z');
  pid_file("44\n");
  ASSERT_TRUE(*finder_.find(now_));
}

TEST_F(PidFileFinderTest, AStaleFileAtTheFirstLookIsNoStart) {
  pid_file("43\n");
  EXPECT_FALSE(*finder_.find(now_));
  EXPECT_FALSE(*finder_.find(now_));
}

TEST_F(PidFileFinderTest, WhatIsNoPidFileIsNamed) {
  for (auto text : {"api\n", "-1\n", "0\n", "4194305\n", "12 34\n"}) {
    pid_file(text);
    EXPECT_FALSE(finder_.find(now_)) << text;
  }
  pid_file(std::string(1000, '1'));
  EXPECT_FALSE(finder_.find(now_));
  fs::remove(file_);
  fs::create_directory(file_);
  EXPECT_FALSE(finder_.find(now_));
  fs::remove(file_);
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_FALSE(finder_.find(now_));
}

TEST(ExeFinder, FindsTheOldestProcessOfAnyRelease) {
  TempFolder folder;
  for (auto release : {"v1", "v2"}) {
    fs::create_directories(folder / "releases" / release);
    fs::copy_file("/bin/sleep", folder / "releases" / release / "server");
  }
  fs::create_directory_symlink("releases/v1", folder / "current");
  ExeFinder finder(folder / "current/server", folder / "current");
  EXPECT_FALSE(*finder.find({}));
  Child old_one(folder / "current/server");
  fs::remove(folder / "current");
  fs::create_directory_symlink("releases/v2", folder / "current");
  auto found = finder.find({});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->pid, old_one.pid());
}

TEST(Finder, AUnitIsNotLookedFor) {
  ServiceFile service;
  service.name = "api";
  service.process = ServiceFile::ByUnit{{"api.service"}};
  auto finder = make_finder(service);
  ASSERT_FALSE(finder);
  EXPECT_THAT(finder.error().message, HasSubstr("its manager tells of it"));
}

// ---- ends and changes, at once

TEST(ExitWatch, TellsTheSignalOfAChildAndLeavesItToItsParent) {
  UvLoop loop;
  Child child("/bin/sleep");
  std::optional<ExitStatus> status;
  auto watch = ExitWatch::start(loop.get(), child.pid(), [&](ExitStatus s) { status = s; });
  ASSERT_TRUE(watch) << watch.error().message;
  child.signal(SIGTERM);
  ASSERT_TRUE(run_until(loop, [&] { return status.has_value(); }));
  EXPECT_EQ(status->signal, SIGTERM);
  EXPECT_FALSE(status->exit_code);
  int reaped = 0;
  EXPECT_EQ(::waitpid(child.pid(), &reaped, 0), child.pid());
}

TEST(ExitWatch, TellsTheExitCodeOfAChild) {
  UvLoop loop;
  Child child("/bin/sleep", "not-a-number");
  std::optional<ExitStatus> status;
  auto watch = ExitWatch::start(loop.get(), child.pid(), [&](ExitStatus s) { status = s; });
  ASSERT_TRUE(watch);
  ASSERT_TRUE(run_until(loop, [&] { return status.has_value(); }));
  EXPECT_EQ(status->exit_code, 1);
}

TEST(ExitWatch, AProcessOfAnotherParentEndsWithoutAStatus) {
  UvLoop loop;
  int line[2];
  ASSERT_EQ(::pipe(line), 0);
  pid_t middle = ::fork();
  if (middle == 0) {
    pid_t far = ::fork();
    if (far == 0) {
      ::pause();
      ::_exit(3);
    }
    [[maybe_unused]] ssize_t sent = ::write(line[1], &far, sizeof far);
    ::_exit(0);
  }
  pid_t far = 0;
  ASSERT_EQ(::read(line[0], &far, sizeof far), static_cast<ssize_t>(sizeof far));
  ::waitpid(middle, nullptr, 0);
  ::close(line[0]);
  ::close(line[1]);
  std::optional<ExitStatus> status;
  auto watch = ExitWatch::start(loop.get(), far, [&](ExitStatus s) { status = s; });
  ASSERT_TRUE(watch);
  ::kill(far, SIGKILL);
  ASSERT_TRUE(run_until(loop, [&] { return status.has_value(); }));
  EXPECT_FALSE(status->exit_code);
  EXPECT_FALSE(status->signal);
}

TEST(NameWatch, SeesAReplacedNameAndAFolderThatComesLater) {
  UvLoop loop;
  TempFolder folder;
  auto watch = NameWatch::make(loop.get());
  ASSERT_TRUE(watch);
  int here = 0, later = 0;
  (*watch)->add(folder / "current", [&] { ++here; });
  (*watch)->add(folder / "run/api.pid", [&] { ++later; });
  write_text(folder / "unrelated", "x");
  fs::create_directory_symlink("v1", folder / "next");
  fs::rename(folder / "next", folder / "current");
  ASSERT_TRUE(run_until(loop, [&] { return here > 0; }));
  EXPECT_EQ(later, 0);
  fs::create_directory(folder / "run");
  (*watch)->retry_absent();
  write_text(folder / "run/api.pid", "1");
  ASSERT_TRUE(run_until(loop, [&] { return later > 0; }));
  fs::remove_all(folder / "run");
  int before = later;
  fs::create_directory(folder / "run");
  ASSERT_TRUE(run_until(loop, [&] {
    (*watch)->retry_absent();
    write_text(folder / "run/api.pid", "2");
    return later > before + 1;
  }));
}

TEST(VersionJournal, RemembersOverARestart) {
  TempFolder folder;
  GenerationRecord record{.generation = "boot:42:1000",
                          .version = "v2 with blank",
                          .previous = "v1",
                          .artefact = "exe:1:2:3:4",
                          .kind = EventKind::process_started,
                          .cause = Cause::rollback,
                          .same_name = true,
                          .ambiguous = true,
                          .start_us = 1'795'176'000'000'000};
  {
    auto journal = VersionJournal::load(folder / "versions.journal");
    EXPECT_EQ(journal.last("api"), nullptr);
    ASSERT_TRUE(journal.put("api", record));
    ASSERT_TRUE(journal.put("web", {.generation = "g", .version = "v9"}));
  }
  auto journal = VersionJournal::load(folder / "versions.journal");
  EXPECT_TRUE(journal.problem().empty());
  ASSERT_NE(journal.last("api"), nullptr);
  EXPECT_EQ(*journal.last("api"), record);
  ASSERT_NE(journal.last("web"), nullptr);
}

TEST(VersionJournal, ADamagedLineIsLeftOutAndNamed) {
  TempFolder folder;
  {
    ASSERT_TRUE(
        VersionJournal::load(folder / "j").put("web", {.generation = "g", .version = "v9"}));
  }
  append_text(folder / "j", "api\tgarbage\n\xff\xfe\n");
  auto journal = VersionJournal::load(folder / "j");
  EXPECT_THAT(journal.problem(), HasSubstr("line 3"));
  EXPECT_NE(journal.last("web"), nullptr);
  EXPECT_EQ(journal.last("api"), nullptr);
}

}  // namespace
}  // namespace serin::agent
