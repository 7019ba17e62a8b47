#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "agent/probe/service_probe.h"
#include "tests/unit/agent/temp_folder.h"

// Services as large, and pids as short-lived, as they come.

namespace serin::agent {
namespace {

using testing::HasSubstr;

/// A child that does something, says how much of it, and stays.
class Crowd {
 public:
  explicit Crowd(const std::function<int()>& work) {
    int said[2];
    if (::pipe2(said, O_CLOEXEC) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      int done = work();
      if (::write(said[1], &done, sizeof done) != sizeof done) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(said[1]);
    if (::read(said[0], &done_, sizeof done_) != sizeof done_) done_ = -1;
    ::close(said[0]);
  }
  ~Crowd() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int done() const { return done_; }

 private:
  pid_t pid_ = -1;
  int done_ = 0;
};

int start_threads(int most) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, size_t{64} * 1024);
  int started = 0;
  auto rest = [](void*) -> void* {
    for (;;) ::pause();
  };
  for (pthread_t thread; started < most; ++started)
    if (::pthread_create(&thread, &attributes, rest, nullptr) != 0) break;
  return started;
}

int open_files(int most) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  int opened = 0;
  while (opened < most && ::open("/dev/null", O_RDONLY) >= 0) ++opened;
  return opened;
}

uint64_t own_fds() {
  return FdListing().count(AT_FDCWD, "/proc/self/fd").value_or(0);
}

TEST(ProbeCrowd, FiveThousandThreadsAreCountedAndNotWalked) {
  constexpr int kThreads = 5000;
  Crowd crowd([] { return start_threads(kThreads); });
  if (crowd.done() < kThreads) GTEST_SKIP() << "only " << crowd.done() << " threads allowed here";
  auto probe = ServiceProbe::open(crowd.pid(), {}, ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe) << probe.error().message;
  const uint64_t fds = own_fds();
  const auto reading = probe->read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->threads, kThreads + 1U);
  EXPECT_TRUE(reading->cpu_ns && reading->rss_bytes && reading->fds);
  EXPECT_FALSE(reading->read_bytes);
  EXPECT_TRUE(std::ranges::any_of(probe->absent(), [](const Absent& absent) {
    return absent.metric == "io_bytes" && absent.reason.find("1,000 threads") != std::string::npos;
  }));
  EXPECT_FALSE(reading->run_delay_ns);
  EXPECT_THAT(probe->absent().back().reason, HasSubstr("more than 32 threads"));
  EXPECT_LE(own_fds(), fds);
}

TEST(ProbeCrowd, AsManyDescriptorsAsThisHostAllowsAreCountedBothWays) {
  Crowd crowd([] { return open_files(100'000); });
  ASSERT_GT(crowd.done(), 500);
  auto options = ProcessProbe::for_this_machine();
  options.count_fds_by_size = false;
  auto by_listing = ProcessProbe::open(crowd.pid(), options);
  ASSERT_TRUE(by_listing);
  const auto listed = by_listing->read()->fds;
  EXPECT_GE(listed, static_cast<uint64_t>(crowd.done()));
  if (!ProcessProbe::for_this_machine().count_fds_by_size) return;
  auto by_size = ProcessProbe::open(crowd.pid(), ProcessProbe::for_this_machine());
  ASSERT_TRUE(by_size);
  EXPECT_EQ(by_size->read()->fds, listed);
}

/// A folder of that many descriptors, as a listing sees it.
class ProbeListing : public testing::Test {
 protected:
  void fill(int from, int to) const {
    for (int fd = from; fd < to; ++fd)
      std::filesystem::create_symlink("/dev/null", folder_ / std::to_string(fd));
  }
  std::optional<uint64_t> count() { return listing_.count(AT_FDCWD, folder_.path().c_str()); }

  TempFolder folder_;
  FdListing listing_;
};

TEST_F(ProbeListing, AHundredThousandAreListedOnceInSixtyLooks) {
  fill(0, 100'000);
  EXPECT_EQ(count(), 100'000U);
  fill(100'000, 100'001);
  for (int look = 0; look < 59; ++look) ASSERT_EQ(count(), 100'000U) << look;
  EXPECT_EQ(count(), 100'001U);
}

TEST_F(ProbeListing, AThousandAreListedInEveryThirdLookAndAFewInEach) {
  fill(0, 10);
  EXPECT_EQ(count(), 10U);
  fill(10, 1000);
  EXPECT_EQ(count(), 1000U);
  fill(1000, 1001);
  EXPECT_EQ(count(), 1000U);
  EXPECT_EQ(count(), 1000U);
  EXPECT_EQ(count(), 1001U);
}

TEST_F(ProbeListing, AFolderThatIsNotThereIsNoCountOfZero) {
  EXPECT_FALSE(FdListing().count(AT_FDCWD, (folder_ / "gone").c_str()));
}

/// A child with exactly this pid, which somebody had before; -1 where that is not allowed.
pid_t fork_as(pid_t pid) {
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<uintptr_t>(&pid);
  args.set_tid_size = 1;
  const auto child = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (child == 0)
    for (;;) ::pause();
  return child;
}

TEST(ProbePidReuse, AnotherProcessOfTheSamePidIsNeverTakenForTheOldOne) {
  std::optional<Result<ServiceProbe>> probe;
  pid_t pid = -1;
  {
    Crowd first([] { return 1; });
    pid = first.pid();
    probe.emplace(ServiceProbe::open(pid, {}, ProcessProbe::for_this_machine()));
    ASSERT_TRUE(*probe);
    ASSERT_TRUE((*probe)->read());
  }
  const pid_t second = fork_as(pid);
  if (second < 0) GTEST_SKIP() << "a pid may not be chosen here";
  ASSERT_EQ(second, pid);
  EXPECT_FALSE((*probe)->read());
  EXPECT_TRUE(ServiceProbe::open(pid, {}, ProcessProbe::for_this_machine()));
  ::kill(second, SIGKILL);
  ::waitpid(second, nullptr, 0);
}

TEST(ProbeLongStatus, ATailThatDoesNotFitIsAbsentWithItsReasonAndNeverHalfANumber) {
  TempFolder root;
  write_text(root / "7/stat",
             "7 (api) S 1 7 7 0 -1 4194560 15 0 7 0 310 95 0 0 20 0 1 0 987654 228212736 24871\n");
  std::string status = "Name:\tapi\nGroups:\t";
  while (status.size() < 4060) status += "100000 ";
  status += "\nvoluntary_ctxt_switches:\t";
  status.resize(4094, ' ');
  write_text(root / "7/status", status + "123456\nnonvoluntary_ctxt_switches:\t34\n");
  auto probe = ProcessProbe::open(7, {.root = root.path(), .cpu_clock = false});
  ASSERT_TRUE(probe);
  const auto reading = probe->read();
  ASSERT_TRUE(reading);
  EXPECT_FALSE(reading->voluntary_switches);
  EXPECT_FALSE(reading->involuntary_switches);
  EXPECT_TRUE(std::ranges::any_of(probe->absent(), [](const Absent& absent) {
    return absent.metric == "switches" && absent.reason.find("4096") != std::string::npos;
  }));
}

}  // namespace
}  // namespace serin::agent
