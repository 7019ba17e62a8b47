#include "agent/rollback/inspect.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "agent/rollback/build_id.h"
#include "agent/rollback/link.h"
#include "agent/rollback/locate.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

/// `program` with a working directory of its own, until the test is over.
class Child {
 public:
  Child(const fs::path& program, const fs::path& folder, uid_t uid = ::geteuid()) {
    pid_ = ::fork();
    if (pid_ == 0) {
      if (::chdir(folder.c_str()) != 0 || ::setuid(uid) != 0) ::_exit(1);
      ::execl(program.c_str(), "sleep", "100", nullptr);
      ::_exit(127);
    }
    SERIN_VERIFY(eventually([&] {
      const auto exe = process_link("/proc", pid_, "exe");
      return exe && *exe == fs::canonical(program);
    }));
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

class InspectTest : public testing::Test {
 protected:
  void name_in_pid_file(const Child& child) {
    write_text(host.root() / "pid", std::to_string(child.pid()) + "\n");
  }
  Inspection look() {
    const auto service = load_service_file(host.settings.services / "api.toml");
    EXPECT_TRUE(service.has_value()) << service.error().message;
    auto seen = inspect(*service, host.settings, host.clock);
    EXPECT_TRUE(seen.has_value()) << seen.error().message;
    return seen ? *seen : Inspection{};
  }
  std::string fault() {
    const auto service = load_service_file(host.settings.services / "api.toml");
    const auto seen = inspect(*service, host.settings, host.clock);
    return seen ? "" : seen.error().message;
  }
  /// A process that starts from now on started clearly after the link was made.
  void let_the_link_age() {
    const auto releases = Releases::open(host.root() / "releases");
    const int64_t changed = read_link(host.root() / "current", *releases)->changed_us;
    ASSERT_TRUE(eventually([&] { return host.clock.wall_us() - changed > 100'000; }));
  }

  TestHost host;
};

TEST_F(InspectTest, AnInterpretersVersionIsThatOfItsWorkingDirectory) {
  host.select("v2");
  const Child child("/bin/sleep", host.root() / "releases/v1");
  name_in_pid_file(child);
  const auto seen = look();
  ASSERT_TRUE(seen.running);
  EXPECT_EQ(seen.running->version, "v1");
  EXPECT_EQ(seen.running->doubt, "");
  EXPECT_EQ(seen.selected, "v2");
}

TEST_F(InspectTest, AReleaseThatWasDeletedUnderItStillNamesTheVersion) {
  host.start("v2");
  fs::remove_all(host.root() / "releases/v2");
  EXPECT_EQ(look().running->version, "v2");
}

TEST_F(InspectTest, ElseTheLinkAsItWasAtTheProcesssStart) {
  host.select("v2");
  let_the_link_age();
  const Child child("/bin/sleep", "/");
  name_in_pid_file(child);
  EXPECT_EQ(look().running->version, "v2");
  const int64_t started = host.clock.wall_us();
  ASSERT_TRUE(eventually([&] { return host.clock.wall_us() - started > 100'000; }));
  host.select("v1");
  const auto seen = look();
  EXPECT_EQ(seen.running->version, "");
  EXPECT_NE(seen.running->doubt.find("after the process started"), std::string::npos)
      << seen.running->doubt;
}

TEST_F(InspectTest, AChangeThatCoincidesWithTheStartIsAmbiguous) {
  for (int attempt = 0; attempt < 20; ++attempt) {  // on a busy machine the two may drift apart
    host.select("v2");
    const Child child("/bin/sleep", "/");
    name_in_pid_file(child);
    if (look().running->doubt.find("within 50 ms") != std::string::npos) return;
  }
  FAIL() << "a link made right before the start was never ambiguous";
}

TEST_F(InspectTest, AVersionFileCountsLikeALink) {
  write_text(host.root() / "VERSION", "7.1 \n");
  write_text(host.settings.services / "api.toml",
             fmt::format("pid_file = \"{0}/pid\"\nversion = {{ file = \"{0}/VERSION\" }}\n",
                         host.root().native()));
  const int64_t made = host.clock.wall_us();
  ASSERT_TRUE(eventually([&] { return host.clock.wall_us() - made > 100'000; }));
  const Child child("/bin/sleep", "/");
  name_in_pid_file(child);
  EXPECT_EQ(look().running->version, "7.1");
  EXPECT_EQ(look().selected, "7.1");
}

TEST_F(InspectTest, WithoutAnythingElseTheBuildIdIsTheVersion) {
  write_text(host.settings.services / "api.toml",
             fmt::format("pid_file = \"{}/pid\"\n", host.root().native()));
  const Child child("/bin/sleep", "/");
  name_in_pid_file(child);
  EXPECT_EQ(look().running->version, build_id("/bin/sleep"));
  EXPECT_EQ(look().running->version.size(), 40U);
}

TEST_F(InspectTest, APidFileOfAUserNamesOnlyItsOwnProcesses) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a second user";
  host.select("v2");
  const Child roots("/bin/sleep", host.root() / "releases/v2");
  name_in_pid_file(roots);
  ASSERT_EQ(::chown((host.root() / "pid").c_str(), 65534, 65534), 0);
  EXPECT_NE(fault().find("may not name process"), std::string::npos) << fault();
  const Child its_own("/bin/sleep", host.root() / "releases/v2", 65534);
  name_in_pid_file(its_own);
  ASSERT_EQ(::chown((host.root() / "pid").c_str(), 65534, 65534), 0);
  EXPECT_EQ(look().running->version, "v2");
  ::chmod((host.root() / "pid").c_str(), 0666);
  EXPECT_NE(fault().find("writable by others"), std::string::npos) << fault();
}

TEST_F(InspectTest, APidFileThatItsGroupMayWriteIsRefused) {
  host.start("v2");
  ::chmod((host.root() / "pid").c_str(), 0664);
  EXPECT_NE(fault().find("writable by its group"), std::string::npos) << fault();
}

TEST_F(InspectTest, APidFileThatIsASymlinkIsNotFollowed) {
  host.start("v2");
  fs::rename(host.root() / "pid", host.root() / "real");
  fs::create_symlink("real", host.root() / "pid");
  EXPECT_NE(fault().find("is a symlink"), std::string::npos) << fault();
  fs::remove(host.root() / "pid");
  fs::rename(host.root() / "real", host.root() / "pid");
}

TEST_F(InspectTest, ARootsPidFileInAUsersFolderDoesNotNameAnothersProcess) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a second user";
  host.select("v2");
  const Child users("/bin/sleep", host.root() / "releases/v2", 65534);
  name_in_pid_file(users);
  EXPECT_EQ(look().running->version, "v2") << "all of it is root's";
  ASSERT_EQ(::chown(host.root().c_str(), 65533, 65533), 0);
  EXPECT_NE(fault().find("may not name process"), std::string::npos) << fault();
  ASSERT_EQ(::chown(host.root().c_str(), 0, 0), 0);
  ::chmod(host.root().c_str(), 01777);
  EXPECT_NE(fault().find("may not name process"), std::string::npos) << fault();
}

/// Stands for systemctl, and notes each question.
void answer_as_systemctl(TestHost& host, std::string_view script) {
  host.settings.systemctl = host.root() / "systemctl";
  write_text(host.settings.systemctl,
             fmt::format("#!/bin/sh\necho \"$*\" >> {}/calls\n{}", host.root().native(), script),
             0755);
  write_text(host.settings.services / "api.toml",
             fmt::format("unit = [\"a.service\", \"b.service\", \"c.service\"]\n"
                         "version = {{ symlink = \"{}/current\" }}\n",
                         host.root().native()));
}

TEST_F(InspectTest, SeveralUnitsAreOneQuestionAndEachKeepsItsAnswer) {
  host.select("v2");
  const Child first("/bin/sleep", host.root() / "releases/v2");
  const Child third("/bin/sleep", host.root() / "releases/v2");
  answer_as_systemctl(host, fmt::format("printf 'MainPID={}\\nId=a.service\\nInvocationID=aa\\n\\n"
                                        "MainPID=0\\nId=b.service\\nInvocationID=\\n\\n"
                                        "MainPID={}\\nId=c.service\\nInvocationID=cc\\n'\n",
                                        first.pid(), third.pid()));
  const auto service = load_service_file(host.settings.services / "api.toml");
  ASSERT_TRUE(service) << service.error().message;
  const auto found = locate(*service, host.settings, host.clock);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].generation, "a.service:aa");
  EXPECT_EQ((*found)[1].generation, "c.service:cc");
  EXPECT_EQ((*found)[1].process.pid, third.pid());
  EXPECT_EQ(read_text(host.root() / "calls"),
            "show --property=Id,MainPID,InvocationID -- a.service b.service c.service\n");
}

TEST_F(InspectTest, AnAnswerThatLeavesOutAUnitIsAFault) {
  answer_as_systemctl(host, "printf 'MainPID=0\\nId=a.service\\nInvocationID=\\n'\n");
  EXPECT_NE(fault().find("1 units where 3"), std::string::npos) << fault();
}

TEST_F(InspectTest, AHangingManagerCostsOneDeadlineAndNotOneAUnit) {
  answer_as_systemctl(host, "exec sleep 1000\n");
  const int64_t began = host.clock.boot_us();
  EXPECT_NE(fault().find("was killed"), std::string::npos);
  EXPECT_LT(host.clock.boot_us() - began, 3 * kSecondUs);
}

TEST_F(InspectTest, APidFileWithoutAPidIsAFaultAndAStaleOneMeansThatNothingRuns) {
  host.select("v2");
  EXPECT_FALSE(look().running);
  for (const char* text : {"", "x", "12x", "-1", "0", "1", "99999999999999"}) {
    write_text(host.root() / "pid", text);
    EXPECT_NE(fault(), "") << text;
  }
  pid_t ended = 0;
  {
    const Child child("/bin/sleep", "/");
    ended = child.pid();
  }
  write_text(host.root() / "pid", std::to_string(ended));
  EXPECT_FALSE(look().running);
}

TEST_F(InspectTest, ByExecutableThroughTheLinkTheOldestThatIsNoWorkerCounts) {
  for (const char* release : {"v1", "v2"}) {
    fs::copy_file("/bin/sleep", host.root() / "releases" / release / "worker");
  }
  host.select("v1");
  auto text = read_text(host.settings.services / "api.toml");
  text.replace(0, text.find('\n'),
               fmt::format("exe = \"{}/current/worker\"", host.root().native()));
  write_text(host.settings.services / "api.toml", text);
  EXPECT_FALSE(look().running);
  const Child child(host.root() / "releases/v2/worker", "/");
  const auto seen = look();
  ASSERT_TRUE(seen.running) << "whatever release it is of";
  EXPECT_EQ(seen.running->process.pid, child.pid());
  EXPECT_EQ(seen.running->version, "v2");
}

TEST(BuildId, IsAbsentWhereThereIsNone) {
  const TestHost host;
  EXPECT_FALSE(build_id(host.restart_script()));
  EXPECT_FALSE(build_id("/absent"));
  EXPECT_FALSE(build_id("/dev"));
  auto torn = read_text("/bin/sleep").substr(0, 100);
  write_text(host.root() / "torn", torn);
  EXPECT_FALSE(build_id(host.root() / "torn"));
}

}  // namespace
}  // namespace serin::helper
