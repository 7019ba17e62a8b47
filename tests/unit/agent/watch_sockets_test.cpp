#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/sampler/service_check.h"
#include "tests/unit/agent/child.h"
#include "tests/unit/agent/page_server.h"
#include "tests/unit/agent/sampler_fixture.h"

namespace serin::agent {
namespace {

/// A service found by its pid file; on its port listens, for it, a real server.
class WatchSocketsTest : public SamplerFixture {
 protected:
  WatchSocketsTest() {
    write_text(folder_ / "api.pid", fmt::format("{}\n", child_.pid()));
    service_.name = "api";
    service_.process = ServiceFile::ByPidFile{folder_ / "api.pid"};
  }

  bool told(const std::function<bool(const Sample&)>& wanted) {
    start_sampler({service_});
    sampler_->attention("api", 1000, 60);
    return wait_for_sample(wanted);
  }
  static std::string reason_of(const Sample& sample, std::string_view metric) {
    auto found = std::ranges::find(sample.absent, metric, &Absent::metric);
    return found == sample.absent.end() ? std::string{} : found->reason;
  }
  std::string checked(std::string_view topic, std::string_view words) {
    ServiceCheck check(service_, "boot");
    check.first(clock_.now());
    for (auto& line : check.second(clock_.now(), VersionJournal::load(folder_ / "none"), {}))
      if (line.topic == topic && line.text.find(words) != std::string::npos) return line.text;
    return {};
  }

  Child child_{"/bin/sleep"};
  PageServer server_{[] { return PageServer::Answer{}; }};
  ServiceFile service_;
};

TEST_F(WatchSocketsTest, SamplesTellTheSocketsOnTheServicesPorts) {
  service_.ports = {server_.port()};
  EXPECT_TRUE(told([](const Sample& sample) {
    return sample.sockets.inbound == 0U && sample.sockets.accept_limit == 16U &&
           sample.sockets.accept_overflows == 0U && !sample.sockets.outbound &&
           !reason_of(sample, "outbound").empty();
  }));
}

TEST_F(WatchSocketsTest, WithoutAUnitAndPortsTheSamplesSayWhatIsMissing) {
  EXPECT_TRUE(told([](const Sample& sample) {
    return sample.sockets == SocketMetrics{} &&
           reason_of(sample, "sockets").find("ports = [8080]") != std::string::npos;
  }));
}

TEST_F(WatchSocketsTest, CheckShowsWhatIsSeenAndWhatIsNot) {
  EXPECT_NE(checked("cannot see", "sockets: it is not watched by its unit"), "");
  service_.ports = {server_.port()};
  EXPECT_NE(checked("sockets", "0 connections in, 0 of at most 16 wait to be accepted"), "");
  EXPECT_NE(checked("cannot see", "outbound: connections that it opens: it is not watched"), "");
}

TEST(SocketCheck, TheBusiestPartnersComeFirst) {
  SocketMetrics metrics{
      .inbound = 3,
      .outbound = 12,
      .connecting = 2,
      .close_wait = {},
      .accept_queue = 1,
      .accept_limit = 128,
      .unsent_bytes = {},
      .rtt_seconds = {},
      .retransmits = {},
      .accept_overflows = {},
      .failed_connects = {},
      .remotes = {{.port = 80, .connections = 2}, {.port = 5432, .connections = 10}}};
  EXPECT_EQ(words_for(metrics),
            "3 connections in, 12 out (10 to port 5432, 2 to port 80), 2 connecting, 1 of at most "
            "128 wait to be accepted");
  EXPECT_EQ(words_for({}), "");
}

}  // namespace
}  // namespace serin::agent
