#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

#include "agent/probe/socket_probe.h"
#include "agent/probe/socket_scope.h"
#include "tests/integration/sockets/own_network.h"

namespace serin::agent {
namespace {

constexpr const char* kLoopback4 = "::ffff:127.0.0.1";
constexpr const char* kLoopback6 = "::1";
constexpr const char* kNobody = "::ffff:192.0.2.1";

/// The kernel does the rest in its own time.
bool eventually(const std::function<bool()>& done) {
  constexpr int kMost = 1000, kEachMs = 10;
  for (int i = 0; i < kMost; ++i) {
    if (done()) return true;  // and no further look: it would take what this one saw
    ::poll(nullptr, 0, kEachMs);
  }
  return false;
}

/// This process is the service, inside of a control group of its own, and its partners, outside.
class SocketsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { network_ = enter_own_network(); }
  void SetUp() override {
    if (!network_) GTEST_SKIP() << network_.error().message;
    auto group = OwnGroup::make();
    if (!group) GTEST_SKIP() << group.error().message;
    group_.emplace(std::move(*group));
    group_->enter();
  }
  SocketProbe service() {
    return {{.pid = ::getpid(), .cgroup = group_->folder(), .ports = {}}, shared_};
  }
  SocketMetrics look(SocketProbe& probe) { return probe.look(now_us_ += 2'000'000); }
  /// What somebody else does.
  template <typename Act>
  auto outside(Act act) {
    group_->leave();
    auto made = act();
    group_->enter();
    return made;
  }

  inline static Result<void> network_ = fail("not tried");
  std::optional<OwnGroup> group_;
  SocketDump dump_;
  SharedSockets shared_{.source = dump_,
                        .records = {},
                        .proc = "/proc",
                        .cpu_ns = [] { return uint64_t{0}; },
                        .budget_ns = 1'000'000'000,
                        .services = 1};
  uint64_t now_us_ = 10'000'000;
};

TEST_F(SocketsTest, ConnectionsAreToldByDirectionAndPortOfBothFamilies) {
  auto own4 = listen_on(kLoopback4, 16), own6 = listen_on(kLoopback6, 16);
  auto partner = outside([] { return listen_on(kLoopback6, 16); });
  auto foreign = outside([&] {
    return std::array{connect_to(own4), connect_to(own4), connect_to(own6), connect_to(partner)};
  });
  auto opened = std::array{connect_to(partner), connect_to(partner)};
  auto probe = service();
  auto seen = look(probe);
  EXPECT_EQ(seen.inbound, 3U);
  EXPECT_EQ(seen.outbound, 2U);
  EXPECT_EQ(seen.accept_queue, 3U);
  EXPECT_EQ(seen.accept_limit, 32U);
  ASSERT_EQ(seen.remotes.size(), 1U);
  EXPECT_EQ(seen.remotes[0].port, partner.port());
  EXPECT_EQ(seen.remotes[0].connections, 2U);
  EXPECT_GT(seen.rtt_seconds.value_or(0), 0);
  EXPECT_LT(seen.rtt_seconds.value_or(1), 1);
  EXPECT_TRUE(probe.absent().empty());
  auto taken = own4.accept();
  opened[0].reset();
  EXPECT_TRUE(eventually([&] {
    seen = look(probe);
    return seen.outbound == 1U && seen.accept_queue == 2U;
  }));
  EXPECT_EQ(seen.failed_connects, 0U);
}

TEST_F(SocketsTest, GroupsBelowTheUnitsOwnBelongToIt) {
  group_->enter_below("worker");
  auto listener = listen_on(kLoopback6, 16);
  auto client = outside([&] { return connect_to(listener); });
  auto probe = service();
  EXPECT_EQ(look(probe).inbound, 1U);
}

TEST_F(SocketsTest, AListIsWholeAlsoWhenItTakesManyAnswers) {
  auto listener = listen_on(kLoopback6, 1024);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(connect_to(listener));
  auto probe = service();
  auto seen = look(probe);
  EXPECT_EQ(seen.inbound, 300U);
  EXPECT_EQ(seen.outbound, 300U);
  EXPECT_EQ(probe.lost(), 0U);
}

TEST_F(SocketsTest, AThousandSocketsCostLessThanAMillisecondOfCpuASecond) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  auto listener = listen_on(kLoopback6, 1024);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 500; ++i) clients.push_back(connect_to(listener));
  SharedSockets measured{.source = dump_};
  SocketProbe probe({.pid = ::getpid(), .cgroup = group_->folder(), .ports = {}}, measured);
  constexpr uint64_t kSeconds = 60;
  const uint64_t before_ns = thread_cpu_ns();
  for (uint64_t second = 1; second <= kSeconds; ++second) probe.look(second * 1'000'000);
  const uint64_t each_us = (thread_cpu_ns() - before_ns) / kSeconds / 1000;
  EXPECT_EQ(probe.sockets(), 1001U);
  EXPECT_LT(each_us, 1000U);
  std::printf("%lu us a second, all sockets each %lu s\n", static_cast<unsigned long>(each_us),
              static_cast<unsigned long>(probe.period_us() / 1'000'000));
}

TEST_F(SocketsTest, AFullQueueShowsItsDepthAndWhatItDropped) {
  auto listener = listen_on(kLoopback6, 1);
  auto probe = service();
  EXPECT_EQ(look(probe).accept_queue, 0U);
  std::vector<UniqueFd> clients;
  outside([&] {
    for (int i = 0; i < 6; ++i) clients.push_back(begin_connect(kLoopback6, listener.port()));
    return 0;
  });
  SocketMetrics seen;
  EXPECT_TRUE(eventually([&] {
    seen = look(probe);
    return seen.accept_overflows.value_or(0) > 0;
  }));
  EXPECT_EQ(seen.accept_limit, 1U);
  EXPECT_EQ(seen.accept_queue, 2U);  // the kernel takes one more than the limit
}

TEST_F(SocketsTest, APartnerThatDoesNotAnswerShowsAsConnectingThenRepeatedThenFailed) {
  auto probe = service();
  look(probe);
  auto client = begin_connect(kNobody, 6379);
  SocketMetrics seen = look(probe);
  EXPECT_EQ(seen.connecting, 1U);
  EXPECT_EQ(seen.outbound, 0U);
  EXPECT_EQ(seen.failed_connects, 0U);
  uint64_t retransmits = 0;
  EXPECT_TRUE(eventually([&] {
    seen = look(probe);
    return (retransmits += seen.retransmits.value_or(0)) > 0;
  }));
  EXPECT_EQ(seen.remotes.at(0).retransmits, 1U);
  client.reset();  // the service has waited long enough
  seen = look(probe);
  EXPECT_EQ(seen.connecting, 0U);
  EXPECT_EQ(seen.failed_connects, 1U);
  ASSERT_EQ(seen.remotes.size(), 1U);
  EXPECT_EQ(seen.remotes[0].port, 6379);
  EXPECT_EQ(seen.remotes[0].failed_connects, 1U);
  EXPECT_EQ(look(probe).failed_connects, 0U);
}

TEST_F(SocketsTest, APeerThatDoesNotReadShowsAsUnsentBytes) {
  auto partner = outside([] { return listen_on(kLoopback6, 16); });
  auto client = connect_to(partner);
  auto peer = outside([&] { return partner.accept(); });
  auto probe = service();
  EXPECT_EQ(look(probe).unsent_bytes, 0U);
  const std::vector<char> much(size_t{1} << 20);
  while (::send(client.get(), much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) continue;
  EXPECT_GT(look(probe).unsent_bytes.value_or(0), 10'000U);
}

TEST_F(SocketsTest, APeerThatIsGoneWhileTheServiceHoldsOnShowsAsCloseWait) {
  auto partner = outside([] { return listen_on(kLoopback6, 16); });
  auto client = connect_to(partner);
  outside([&] { return partner.accept(); }).reset();
  auto probe = service();
  SocketMetrics seen;
  EXPECT_TRUE(eventually([&] {
    seen = look(probe);
    return seen.close_wait == 1U;
  }));
  EXPECT_EQ(seen.outbound, 0U);
}

TEST_F(SocketsTest, ByPortsItsInboundIsSeenWhoeverHoldsIt) {
  auto listener = outside([] { return listen_on(kLoopback4, 16); });
  auto other = listen_on(kLoopback4, 16);
  auto clients = std::array{connect_to(listener), connect_to(other)};
  SocketProbe probe({.pid = ::getpid(), .cgroup = {}, .ports = {listener.port()}}, shared_);
  auto seen = look(probe);
  EXPECT_EQ(seen.inbound, 1U);
  EXPECT_EQ(seen.accept_queue, 1U);
  EXPECT_EQ(seen.outbound, std::nullopt);
  // A unit whose listener is its socket unit's: the port adds what the group does not hold.
  SocketProbe both({.pid = ::getpid(), .cgroup = group_->folder(), .ports = {listener.port()}},
                   shared_);
  seen = look(both);
  EXPECT_EQ(seen.inbound, 2U);
  EXPECT_EQ(seen.outbound, 2U);
}

TEST_F(SocketsTest, AKernelThatKnowsNoFilterByGroupIsAskedByPorts) {
  class OldKernel : public SocketSource {
   public:
    std::expected<void, DumpFault> list(const SocketFilter& filter, Scope scope,
                                        std::vector<SocketRecord>& records) override {
      if (!filter.groups.empty())
        return std::unexpected(
            DumpFault{.kind = DumpFault::Kind::refused, .reason = "Invalid argument"});
      return dump.list(filter, scope, records);
    }
    SocketDump dump;
  } old_kernel;
  SharedSockets shared{.source = old_kernel};
  auto listener = listen_on(kLoopback4, 16);
  auto client = connect_to(listener);
  SocketProbe probe({.pid = ::getpid(), .cgroup = group_->folder(), .ports = {listener.port()}},
                    shared);
  auto seen = look(probe);
  EXPECT_EQ(seen.inbound, 1U);
  EXPECT_EQ(seen.outbound, std::nullopt);
  EXPECT_EQ(probe.lost(), 0U);
  ASSERT_EQ(probe.absent().size(), 1U);
  EXPECT_NE(probe.absent()[0].reason.find("Linux 5.8"), std::string::npos);
  SocketProbe without({.pid = ::getpid(), .cgroup = group_->folder(), .ports = {}}, shared);
  EXPECT_EQ(look(without), SocketMetrics{});
  EXPECT_EQ(look(without), SocketMetrics{});
  EXPECT_EQ(without.absent().at(0).metric, "sockets");
}

TEST_F(SocketsTest, AnotherNetworkIsToldWithoutAnyRightToLookIntoTheProcess) {
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool moved = ::unshare(CLONE_NEWNET) == 0;
    [[maybe_unused]] auto told = ::write(ready[1], moved ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char moved = 'n';
  ASSERT_EQ(::read(ready[0], &moved, 1), 1);
  EXPECT_EQ(moved, 'y');
  EXPECT_EQ(in_other_network("/proc", child), true);
  EXPECT_EQ(in_other_network("/proc", ::getpid()), false);
  SocketProbe probe({.pid = child, .cgroup = group_->folder(), .ports = {}}, shared_);
  EXPECT_EQ(look(probe), SocketMetrics{});
  ASSERT_EQ(probe.absent().size(), 1U);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(in_other_network("/proc", child), std::nullopt);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace serin::agent
