#include "agent/probe/socket_probe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>

#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

constexpr uint64_t kSecond = 1'000'000;

/// Plays the kernel: says what the test says, and what it was asked for.
class ScriptedSockets : public SocketSource {
 public:
  struct Asked {
    SocketFilter filter;
    Scope scope;
  };
  std::expected<void, DumpFault> list(const SocketFilter& filter, Scope scope,
                                      std::vector<SocketRecord>& records) override {
    asked.push_back({filter, scope});
    spent_ns += cost_ns;
    if (fault && scope == (listeners_only_fault ? Scope::listeners : Scope::all))
      return std::unexpected(*fault);
    records.clear();
    for (const auto& socket : sockets)
      if (scope == Scope::all || socket.state == TcpState::listen) records.push_back(socket);
    return {};
  }

  std::vector<SocketRecord> sockets;
  std::optional<DumpFault> fault;
  bool listeners_only_fault = false;
  uint64_t cost_ns = 100'000, spent_ns = 0;
  std::deque<Asked> asked;
};

class SocketProbeTest : public testing::Test {
 protected:
  SocketProbeTest() {
    write_text(proc_ / "self/net/tcp", "");
    kernel_.sockets = {
        {.cookie = 1, .state = TcpState::listen, .local_port = 8080, .unsent = 128, .drops = 0},
        {.cookie = 2, .local_port = 8080, .remote_port = 50'000, .retransmits = 0}};
  }
  SocketProbe by_ports() { return {{.pid = 42, .cgroup = {}, .ports = {8080}}, shared_}; }
  std::string reason_of(const SocketProbe& probe, std::string_view metric) {
    for (const auto& absent : probe.absent())
      if (absent.metric == metric) return absent.reason;
    return {};
  }

  TempFolder proc_;
  ScriptedSockets kernel_;
  SharedSockets shared_{.source = kernel_,
                        .records = {},
                        .proc = proc_.path(),
                        .cpu_ns = [this] { return kernel_.spent_ns; },
                        .budget_ns = 300'000,
                        .services = 1};
};

TEST_F(SocketProbeTest, ByPortsAloneOnlyInboundIsSeen) {
  auto probe = by_ports();
  auto seen = probe.look(kSecond);
  EXPECT_EQ(kernel_.asked.front().filter.ports, (std::vector<uint16_t>{8080}));
  EXPECT_TRUE(kernel_.asked.front().filter.groups.empty());
  EXPECT_EQ(seen.inbound, 1U);
  EXPECT_EQ(seen.accept_limit, 128U);
  EXPECT_EQ(seen.outbound, std::nullopt);
  EXPECT_EQ(seen.connecting, std::nullopt);
  EXPECT_EQ(probe.look(2 * kSecond).failed_connects, std::nullopt);
  EXPECT_NE(reason_of(probe, "outbound").find("not watched by its unit"), std::string::npos);
  EXPECT_EQ(reason_of(probe, "sockets"), "");
}

TEST_F(SocketProbeTest, WithoutUnitAndPortsNothingIsAskedAndTheReasonSaysWhatToDo) {
  SocketProbe probe({.pid = 42, .cgroup = {}, .ports = {}}, shared_);
  EXPECT_EQ(probe.look(kSecond), SocketMetrics{});
  EXPECT_EQ(probe.look(2 * kSecond), SocketMetrics{});
  EXPECT_TRUE(kernel_.asked.empty());
  EXPECT_NE(reason_of(probe, "sockets").find("ports = [8080]"), std::string::npos);
}

TEST_F(SocketProbeTest, AFolderThatIsNoGroupOfVersion2LeavesThePorts) {
  SocketProbe probe({.pid = 42, .cgroup = proc_.path(), .ports = {8080}}, shared_);
  EXPECT_EQ(probe.look(kSecond).inbound, 1U);
  EXPECT_NE(reason_of(probe, "outbound").find("no control group of version 2"), std::string::npos);
}

TEST_F(SocketProbeTest, AServiceInAnotherNetworkIsSaidToBe) {
  write_text(proc_ / "42/net/tcp", "");
  auto probe = by_ports();
  EXPECT_EQ(probe.look(kSecond), SocketMetrics{});
  EXPECT_TRUE(kernel_.asked.empty());
  EXPECT_NE(reason_of(probe, "sockets").find("network namespace of its own"), std::string::npos);
  std::filesystem::remove(proc_ / "42/net/tcp");
  std::filesystem::create_hard_link(proc_ / "self/net/tcp", proc_ / "42/net/tcp");
  EXPECT_EQ(probe.look(3 * kSecond).inbound, 1U);
  EXPECT_EQ(reason_of(probe, "sockets"), "");
}

TEST_F(SocketProbeTest, PortsOnWhichNobodyListensAreNoZeroConnections) {
  kernel_.sockets.clear();
  auto probe = by_ports();
  EXPECT_EQ(probe.look(kSecond), SocketMetrics{});
  EXPECT_NE(reason_of(probe, "sockets").find("nothing listens on 8080"), std::string::npos);
}

TEST_F(SocketProbeTest, AnInterruptedLookIsAbsentAndCountedAndTheNextOneIsWhole) {
  auto probe = by_ports();
  probe.look(kSecond);
  kernel_.fault = {.kind = DumpFault::Kind::interrupted, .reason = "torn"};
  EXPECT_EQ(probe.look(2 * kSecond), SocketMetrics{});
  EXPECT_EQ(probe.lost(), 1U);
  EXPECT_EQ(reason_of(probe, "sockets"), "torn (1 looks lost so far)");
  kernel_.fault.reset();
  kernel_.sockets[1].retransmits = 3;
  auto seen = probe.look(3 * kSecond);
  EXPECT_EQ(seen.inbound, 1U);
  EXPECT_EQ(seen.retransmits, 3U);
  EXPECT_EQ(reason_of(probe, "sockets"), "");
}

TEST_F(SocketProbeTest, AfterALostLookNoOldLevelsAreTold) {
  kernel_.cost_ns = 3'000'000;
  auto probe = by_ports();
  probe.look(kSecond);
  kernel_.fault = {.kind = DumpFault::Kind::interrupted, .reason = "torn"};
  probe.look(11 * kSecond);
  auto between = probe.look(12 * kSecond);
  EXPECT_EQ(between.inbound, std::nullopt);
  EXPECT_EQ(between.accept_limit, 128U);
  EXPECT_NE(reason_of(probe, "sockets"), "");
}

TEST_F(SocketProbeTest, ListenersThatCouldNotBeListedAreAbsentForThatLook) {
  kernel_.cost_ns = 3'000'000;
  auto probe = by_ports();
  probe.look(kSecond);
  kernel_.fault = {.kind = DumpFault::Kind::interrupted, .reason = "torn"};
  kernel_.listeners_only_fault = true;
  EXPECT_EQ(probe.look(2 * kSecond), SocketMetrics{});
  kernel_.fault.reset();
  EXPECT_EQ(probe.look(3 * kSecond).inbound, 1U);
  EXPECT_EQ(reason_of(probe, "sockets"), "");
}

TEST_F(SocketProbeTest, ListenersAreLookedAtEachSecondTheRestAsTheBudgetAllows) {
  kernel_.cost_ns = 1'200'000;
  shared_.services = 2;
  auto probe = by_ports();
  size_t all = 0;
  for (uint64_t second = 1; second <= 32; ++second) probe.look(second * kSecond);
  for (const auto& asked : kernel_.asked) all += asked.scope == SocketSource::Scope::all ? 1 : 0;
  EXPECT_EQ(kernel_.asked.size(), 32U);
  EXPECT_EQ(all, 4U);  // 1.2 ms for 0.15 ms a second
  EXPECT_EQ(probe.period_us(), 8 * kSecond);
}

TEST_F(SocketProbeTest, AHostWithTooManySocketsIsAskedEachMinute) {
  kernel_.fault = {.kind = DumpFault::Kind::too_many, .reason = "more than 32768 TCP sockets"};
  auto probe = by_ports();
  for (uint64_t second = 1; second <= 60; ++second)
    EXPECT_EQ(probe.look(second * kSecond).inbound, std::nullopt);
  size_t all = 0;
  for (const auto& asked : kernel_.asked) all += asked.scope == SocketSource::Scope::all ? 1 : 0;
  EXPECT_EQ(all, 1U);
  EXPECT_NE(reason_of(probe, "sockets").find("more than 32768"), std::string::npos);
}

}  // namespace
}  // namespace serin::agent
