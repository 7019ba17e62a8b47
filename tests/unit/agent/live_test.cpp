#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/live/live_screen.h"
#include "agent/live/live_socket.h"
#include "agent/live/live_uplink.h"
#include "schema/capture.h"
#include "tests/unit/agent/fake_uplink.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

Sample busy_sample() {
  Sample sample{.from = {"web-07", "boot", 1, 1}, .service = "api", .version = "1.4.2"};
  sample.selected = "1.4.3";
  sample.interval_us = 2'000'000;
  sample.wall_us = 10'000'000;
  sample.process = {.cpu_seconds = 0.5, .rss_bytes = 50'000'000, .threads = 8, .fds = 20};
  sample.process.fd_limit = 1024;
  sample.requests = RequestMetrics{.requests = 100, .errors = 4};
  for (int i = 0; i < 100; ++i) sample.requests->latency.record(0.02);
  sample.sockets.inbound = 12;
  sample.counters = {{"orders", 3}};
  sample.gauges = {{"queue", 17.5}};
  sample.absent = {{"io", "no permission"}};
  return sample;
}

std::string line_of(Sample sample) {
  return capture::format({.stored_us = sample.wall_us, .seq = 0, .body = std::move(sample)});
}

TEST(LiveScreen, ShowsEverythingThatASampleHolds) {
  LiveScreen screen;
  screen.take(line_of(busy_sample()));
  const auto text = screen.render(100);
  for (const char* words : {"api  1.4.2  serving", "next start  1.4.3", "50.0/s", "2.00/s errors",
                            "p50 ", "p99 ", "CPU 25.0 %", "RSS 50.0 MB", "fds 20 of 1024",
                            "8 threads", "12 in", "orders 3", "queue 17.5", "io: no permission"})
    EXPECT_THAT(text, HasSubstr(words));
}

TEST(LiveScreen, WhatIsAbsentIsNotShownAsZero) {
  LiveScreen screen;
  screen.take(line_of({.from = {"web-07", "boot", 1, 1}, .service = "api", .wall_us = 1'000'000}));
  const auto text = screen.render(100);
  EXPECT_THAT(text, HasSubstr("not counted"));
  EXPECT_THAT(text, Not(HasSubstr("CPU")));
  EXPECT_THAT(text, HasSubstr("version unknown"));
}

TEST(LiveScreen, TheAgentsOwnCpuIsThatSinceItsBeatBefore) {
  LiveScreen screen;
  Sample beat{.from = {"web-07", "boot", 1, 1}, .service = "_host", .wall_us = 1'000'000};
  beat.interval_us = 10'000'000;
  beat.self = AgentSelf{.version = "0.1.0", .cpu_seconds = 1, .ring_dropped = 3, .late_ticks = 2};
  screen.take(line_of(beat));
  beat.self->cpu_seconds = 1.05;
  screen.take(line_of(beat));
  EXPECT_THAT(screen.render(100), HasSubstr("CPU 0.50 %"));
  EXPECT_THAT(screen.render(100), HasSubstr("3 dropped"));
  EXPECT_THAT(screen.render(100), HasSubstr("2 late ticks"));
}

TEST(LiveScreen, WhatItCannotReadIsCountedAndLinesStayWithinTheColumns) {
  LiveScreen screen;
  screen.take("no line");
  screen.take(line_of(busy_sample()));
  const auto text = screen.render(60);
  EXPECT_THAT(text, HasSubstr("1 messages could not be shown"));
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    EXPECT_LE(text.find('\n', at) - at, 62U);  // two bytes for each middle dot
}

class LiveSocketTest : public testing::Test {
 protected:
  LiveSocketTest() {
    auto made = LiveSocket::make(loop_.get(), path_);
    if (made) socket_ = std::move(*made);
  }
  ~LiveSocketTest() override { socket_.reset(); }
  UniqueFd connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  static ssize_t receive(const UniqueFd& fd, std::string& text) {
    char part[4096];
    const ssize_t got = ::recv(fd.get(), part, sizeof(part), 0);
    if (got > 0) text.append(part, static_cast<size_t>(got));
    return got;
  }

  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "live.sock";
  UvLoop loop_;
  std::unique_ptr<LiveSocket> socket_;
};

TEST_F(LiveSocketTest, EachMessageIsALineAndNothingIsFormattedForNobody) {
  ASSERT_TRUE(socket_);
  LiveUplink uplink(std::make_unique<FakeUplink>(), "web-07");
  uplink.tell(socket_.get());
  uplink.send(busy_sample(), 0);
  EXPECT_FALSE(socket_->has_listeners());
  auto listener = connect();
  ASSERT_TRUE(run_until(loop_, [&] { return socket_->has_listeners(); }));
  uplink.send(busy_sample(), 0);
  std::string text;
  ASSERT_TRUE(
      run_until(loop_, [&] { return receive(listener, text) < 0 && text.ends_with('\n'); }));
  auto line = capture::parse(text);
  ASSERT_TRUE(line) << text;
  EXPECT_EQ(std::get<Sample>(line->body).service, "api");
}

TEST_F(LiveSocketTest, AListenerThatDoesNotReadIsHungUpOnAndTheOthersStay) {
  ASSERT_TRUE(socket_);
  auto slow = connect(), quick = connect();
  ASSERT_TRUE(run_until(loop_, [&] { return socket_->has_listeners(); }));
  loop_.run_ready();
  loop_.run_ready();
  const std::string line(1000, 'x');
  std::string text;
  for (size_t i = 0; i < 4 * LiveSocket::kMostUnsentBytes / line.size(); ++i) {
    socket_->tell(line);
    while (receive(quick, text) > 0) text.clear();
  }
  while (receive(slow, text) > 0) text.clear();
  EXPECT_EQ(receive(slow, text), 0) << "the end of the connection";
  EXPECT_TRUE(socket_->has_listeners());
}

TEST_F(LiveSocketTest, AFifthListenerIsTurnedAwayAndOneThatSpeaksToo) {
  ASSERT_TRUE(socket_);
  std::vector<UniqueFd> listeners;
  for (size_t i = 0; i <= LiveSocket::kMostListeners; ++i) listeners.push_back(connect());
  std::string text;
  ASSERT_TRUE(run_until(loop_, [&] { return receive(listeners.back(), text) == 0; }));
  ASSERT_EQ(::send(listeners.front().get(), "x", 1, MSG_NOSIGNAL), 1);
  ASSERT_TRUE(run_until(loop_, [&] { return receive(listeners.front(), text) == 0; }) ||
              errno == ECONNRESET);
  EXPECT_TRUE(socket_->has_listeners());
}

TEST_F(LiveSocketTest, AFileThatIsNoSocketIsNotReplaced) {
  write_text(folder_ / "file", "mine");
  EXPECT_FALSE(LiveSocket::make(loop_.get(), folder_ / "file"));
  EXPECT_FALSE(LiveSocket::make(loop_.get(), folder_ / "none/live.sock"));
}

}  // namespace
}  // namespace serin::agent
