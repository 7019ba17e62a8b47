#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>

#include "agent/request/syslog_log.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/sender.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

constexpr int64_t kNoonUs = 1'795'176'000'000'000;

class DatagramsTest : public testing::Test {
 protected:
  DatagramSocket::OnDatagram keep() {
    return [this](std::string_view text) { got_.emplace_back(text); };
  }
  std::string path() { return folder_ / "x.sock"; }

  TempFolder folder_;
  UvLoop loop_;
  std::vector<std::string> got_;
};

TEST_F(DatagramsTest, ComeByUnixSocketThatAnybodyMayWriteTo) {
  auto socket = DatagramSocket::open(loop_.get(), path(), keep());
  ASSERT_TRUE(socket) << socket.error().message;
  struct stat found{};
  ASSERT_EQ(::stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0666U);
  Sender sender(path());
  ASSERT_TRUE(sender.send("one"));
  ASSERT_TRUE(sender.send("two"));
  EXPECT_TRUE(run_until(loop_, [&] { return got_.size() == 2; }));
  EXPECT_EQ(got_, (std::vector<std::string>{"one", "two"}));
}

TEST_F(DatagramsTest, ComeByUdp) {
  auto socket = DatagramSocket::open(loop_.get(), "127.0.0.1:0", keep());
  ASSERT_TRUE(socket) << socket.error().message;
  Sender sender((*socket)->port());
  ASSERT_TRUE(sender.send("one"));
  EXPECT_TRUE(run_until(loop_, [&] { return got_.size() == 1; }));
}

TEST_F(DatagramsTest, AreCountedWhereTheKernelDropsThem) {
  auto socket = DatagramSocket::open(loop_.get(), "127.0.0.1:0", keep());
  ASSERT_TRUE(socket);
  Sender sender((*socket)->port());
  constexpr size_t kSent = 20'000;  // far more than 4 MiB of them
  for (size_t i = 0; i < kSent; ++i) ASSERT_TRUE(sender.send(std::string(1000, 'x')));
  while (got_.size() < (*socket)->received() || got_.empty()) (*socket)->drain();
  size_t before = 0;
  do {
    before = got_.size();
    (*socket)->drain();
  } while (got_.size() > before);
  EXPECT_GT((*socket)->kernel_drops(), 0U);
  EXPECT_EQ(got_.size() + (*socket)->kernel_drops(), kSent);
}

TEST_F(DatagramsTest, AreDroppedWholeWhenTooLong) {
  auto socket = DatagramSocket::open(loop_.get(), "127.0.0.1:0", keep());
  ASSERT_TRUE(socket);
  Sender sender((*socket)->port());
  ASSERT_TRUE(sender.send(std::string(DatagramSocket::kMostBytes + 1, 'x')));
  ASSERT_TRUE(sender.send("short"));
  ASSERT_TRUE(run_until(loop_, [&] { return (*socket)->received() == 2; }));
  EXPECT_EQ(got_, std::vector<std::string>{"short"});
  EXPECT_EQ((*socket)->oversized(), 1U);
}

TEST_F(DatagramsTest, ASocketLeftBehindIsReplacedAndAFileIsNot) {
  {
    auto first = DatagramSocket::open(loop_.get(), path(), keep());
    ASSERT_TRUE(first);
    // As after a kill: the name stays, with nobody behind it.
    std::filesystem::create_hard_link(path(), folder_ / "kept");
  }
  std::filesystem::rename(folder_ / "kept", path());
  auto second = DatagramSocket::open(loop_.get(), path(), keep());
  EXPECT_TRUE(second) << second.error().message;
  write_text(folder_ / "file", "mine");
  auto third = DatagramSocket::open(loop_.get(), folder_ / "file", keep());
  ASSERT_FALSE(third);
  EXPECT_NE(third.error().message.find("cannot listen on"), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "file"), 4U);
}

TEST_F(DatagramsTest, OneSocketServesAllWhoNameIt) {
  Datagrams datagrams(loop_.get());
  std::vector<std::string> other;
  auto one = datagrams.subscribe(path(), keep());
  ASSERT_TRUE(one);
  Sender sender(path());
  {
    auto two =
        datagrams.subscribe(path(), [&](std::string_view text) { other.emplace_back(text); });
    ASSERT_TRUE(two);
    ASSERT_TRUE(sender.send("both"));
    ASSERT_TRUE(run_until(loop_, [&] { return got_.size() == 1; }));
  }
  ASSERT_TRUE(sender.send("one"));
  ASSERT_TRUE(run_until(loop_, [&] { return got_.size() == 2; }));
  EXPECT_EQ(other, std::vector<std::string>{"both"});
}

class SyslogLogTest : public DatagramsTest {
 protected:
  std::unique_ptr<RequestSource> open(const std::string& name) {
    ServiceFile service;
    service.name = name;
    service.requests.push_back({.source = "syslog",
                                .format = "$status $request_time $body_bytes_sent",
                                .listen = path(),
                                .tag = name});
    auto source = make_request_source(
        service, 0, {.datagrams = &datagrams_, .wall_us = [] { return kNoonUs + 1'000'000; }});
    EXPECT_TRUE(source) << (source ? "" : source.error().message);
    return std::move(*source);
  }
  Datagrams datagrams_{loop_.get()};
  Timeline timeline_;
  Tallies tallies_{0};
};

TEST_F(SyslogLogTest, CountsTheLinesWithItsTag) {
  timeline_.begin("g1", "v1", kNoonUs);
  auto shop = open("shop");
  Timeline empty;
  Tallies others{0};
  auto api = open("api");
  api->start(empty, others);
  shop->start(timeline_, tallies_);
  Sender sender(path());
  ASSERT_TRUE(sender.send("<190>Nov 20 12:00:00 web shop: 200 0.100 5"));
  ASSERT_TRUE(sender.send("<190>Nov 20 12:00:00 web shop: 200 0.100 0"));
  ASSERT_TRUE(sender.send("<190>Nov 20 12:00:00 web api: 500 0.100 5"));
  ASSERT_TRUE(sender.send("<190>Nov 20 12:00:00 web shop: nonsense"));
  ASSERT_TRUE(sender.send("no header at all"));
  shop->poll(timeline_, kNoonUs, tallies_);
  Tally tally = tallies_.take(1);
  EXPECT_EQ(tally.requests.requests, 2U);
  EXPECT_EQ(tally.requests.latency.total(), 2U);
  EXPECT_EQ(tally.full_answers, 1U);
  EXPECT_EQ(shop->skipped(), 1U);
  EXPECT_EQ(others.of(0).requests.errors, 1U);
  EXPECT_TRUE(shop->is_complete());
}

TEST_F(SyslogLogTest, ListensAsSoonAsItCan) {
  std::filesystem::create_directory(path());
  auto shop = open("shop");
  shop->start(timeline_, tallies_);
  EXPECT_FALSE(shop->is_complete());
  EXPECT_NE(shop->problem().find("cannot listen on"), std::string::npos);
  std::filesystem::remove(path());
  shop->poll(timeline_, kNoonUs, tallies_);
  EXPECT_TRUE(shop->is_complete());
  EXPECT_EQ(shop->problem(), "");
}

}  // namespace
}  // namespace serin::agent
