#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/bus/subjects.h"
#include "common/file.h"
#include "ctl/record/recorder.h"
#include "schema/policy.h"
#include "schema/wire.h"
#include "tests/integration/bus/stream_client.h"
#include "tests/integration/nats_server.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/ctl/string_console.h"

// Recording from a real nats-server: each message once, in order, with its stored time and
// sequence, whatever happens to the server.

namespace serin::ctl {
namespace {

using namespace std::chrono_literals;
using test::NatsServer;
using test::StreamClient;
using testing::AllOf;
using testing::HasSubstr;

/// A client of the server, as agents and the aggregator are; told anew where it is after a restart.
class Speaker {
 public:
  explicit Speaker(const NatsServer& server) : client_(server.url()) {}
  void make_stream() { client_.add_agent_streams(); }

  uint64_t sample() {
    Sample sample;
    sample.from = {"web-1", "boot", 7, ++sequence_};
    sample.service = "api";
    sample.version = "v1";
    sample.generation = "g1";
    sample.age_us = 1234;
    sample.requests = RequestMetrics{.requests = 3, .errors = 1};
    return client_.publish(bus::sample_subject("api", "web-1"), wire::encode(sample));
  }
  uint64_t event() {
    Event event;
    event.from = {"web-1", "boot", 7, ++sequence_};
    event.service = "api";
    event.version = "v2";
    event.previous = "v1";
    event.generation = "g2";
    return client_.publish(bus::event_subject("api", "web-1"), wire::encode(event));
  }
  uint64_t policy() {
    const Control control{.kind = ControlKind::policy, .policy_json = to_json(PolicySet{})};
    return client_.publish(bus::kPolicySubject, wire::encode(control));
  }
  uint64_t warmup(const std::string& service, int restarts) {
    const Control control{.kind = ControlKind::warmup,
                          .service = service,
                          .warmup_json = fmt::format(R"({{"restarts":{}}})", restarts)};
    return client_.publish(bus::warmup_subject(service), wire::encode(control));
  }
  uint64_t clock() {
    return client_.publish(bus::kClockSubject, wire::encode(Control{.kind = ControlKind::clock}));
  }
  uint64_t garbage() { return client_.publish("serin.sample.api.web-1", as_bytes("rubbish")); }
  StreamClient& client() { return client_; }

 private:
  StreamClient client_;
  uint64_t sequence_ = 0;
};

Settings settings_of(const NatsServer& server) {
  Settings settings;
  settings.nats = {server.url()};
  return settings;
}

/// A recorder on a thread of its own.
class Recording {
 public:
  Recording(const Settings& settings, Recorder::Options options)
      : stream_(settings),
        recorder_(
            stream_, options, [this](std::string_view line) { return keep(line); }, ends_,
            console_),
        thread_([this] { outcome_ = recorder_.run(); }) {}

  Recorder::Outcome end() {
    ends_ = true;
    return join();
  }
  Recorder::Outcome join() {
    thread_.join();
    return outcome_;
  }
  [[nodiscard]] std::vector<capture::Line> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  bool until_lines(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (lines().size() < count) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  StringConsole console_;

 private:
  Result<void> keep(std::string_view line) {
    auto parsed = capture::parse(line.substr(0, line.size() - 1));
    EXPECT_TRUE(parsed) << parsed.error().message;
    const std::lock_guard lock(mutex_);
    if (parsed) lines_.push_back(std::move(*parsed));
    return {};
  }

  std::mutex mutex_;
  std::vector<capture::Line> lines_;
  std::atomic<bool> ends_ = false;
  StreamAccess stream_;
  Recorder recorder_;
  Recorder::Outcome outcome_;
  std::thread thread_;
};

std::vector<uint64_t> sequences(const std::vector<capture::Line>& lines) {
  std::vector<uint64_t> found;
  for (const auto& line : lines) found.push_back(line.seq);
  return found;
}

std::vector<uint64_t> from_to(uint64_t first, uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t seq = first; seq <= last; ++seq) all.push_back(seq);
  return all;
}

TEST(Record, WhatIsStoredIsWrittenOnceWithItsTimeAndSequence) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  speaker.policy();
  speaker.sample();
  speaker.event();
  speaker.clock();
  Recording recording(settings_of(server), {.until_idle = true});
  const auto outcome = recording.join();
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(outcome.lines, 4u);
  const auto lines = recording.lines();
  ASSERT_EQ(sequences(lines), from_to(1, 4));
  EXPECT_EQ(std::get<Control>(lines[0].body).policy_json, to_json(PolicySet{}));
  const auto& sample = std::get<Sample>(lines[1].body);
  EXPECT_EQ(sample.from, (Identity{"web-1", "boot", 7, 1}));
  EXPECT_EQ(sample.age_us, 1234);
  EXPECT_EQ(sample.requests->errors, 1u);
  EXPECT_EQ(std::get<Event>(lines[2].body).version, "v2");
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  EXPECT_LE(lines[1].stored_us, now);
  EXPECT_GE(lines[1].stored_us, now - 60'000'000);
  EXPECT_LE(lines[1].stored_us, lines[2].stored_us);
}

TEST(Record, FromNowOnItBeginsWithThePolicyInForce) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  speaker.policy();
  const uint64_t policy = speaker.policy();
  const uint64_t before = speaker.sample();
  Recording recording(settings_of(server), {});
  ASSERT_TRUE(recording.until_lines(1));  // the policy: from here on it follows
  const uint64_t after = speaker.sample();
  EXPECT_GT(after, before);
  ASSERT_TRUE(recording.until_lines(2));
  EXPECT_TRUE(recording.end().complete);
  EXPECT_THAT(sequences(recording.lines()), testing::ElementsAre(policy, after));
}

TEST(Record, FromNowOnItBeginsWithWhatIsKnownOfWarmUps) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  speaker.warmup("api", 3);
  const uint64_t other = speaker.warmup("web", 7);
  const uint64_t newest = speaker.warmup("api", 4);
  speaker.sample();
  Recording recording(settings_of(server), {});
  ASSERT_TRUE(recording.until_lines(2));
  const uint64_t after = speaker.sample();
  ASSERT_TRUE(recording.until_lines(3));
  EXPECT_TRUE(recording.end().complete);
  EXPECT_THAT(sequences(recording.lines()), testing::ElementsAre(other, newest, after));
}

TEST(Record, AfterAnEndWasAskedForEverythingStoredByThenIsWritten) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  Recording recording(settings_of(server), {.from_start = true});
  uint64_t last = 0;
  for (int i = 0; i < 3000; ++i) last = speaker.sample();
  const auto outcome = recording.end();
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(sequences(recording.lines()), from_to(1, last));
}

TEST(Record, AServerThatIsKilledAndComesBackLeavesNoGapAndNoRepeat) {
  NatsServer server;
  uint64_t last = 0;
  Recording recording(settings_of(server), {.from_start = true});
  {
    Speaker speaker(server);
    speaker.make_stream();
    for (int i = 0; i < 50; ++i) last = speaker.sample();
    ASSERT_TRUE(recording.until_lines(last));
  }
  server.kill();
  server.start();
  Speaker speaker(server);
  for (int i = 0; i < 50; ++i) last = speaker.sample();
  ASSERT_TRUE(recording.until_lines(last));
  EXPECT_TRUE(recording.end().complete);
  EXPECT_EQ(sequences(recording.lines()), from_to(1, last));
}

TEST(Record, ItWaitsForAServerAndAStreamThatAreNotThereYet) {
  NatsServer server({.extra_config = {}, .started = false});
  Recording recording(settings_of(server), {.from_start = true});
  server.start();
  Speaker speaker(server);
  speaker.make_stream();
  const uint64_t last = speaker.sample();
  ASSERT_TRUE(recording.until_lines(last));
  EXPECT_TRUE(recording.end().complete);
}

TEST(Record, WhatIsNoMessageOfOursIsLeftOutAndCounted) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  speaker.sample();
  for (int i = 0; i < 20; ++i) speaker.garbage();
  Recording recording(settings_of(server), {.until_idle = true});
  const auto outcome = recording.join();
  EXPECT_TRUE(outcome.complete) << "the last message was garbage";
  EXPECT_EQ(outcome.lines, 1u);
  EXPECT_EQ(outcome.unreadable, 20u);
  EXPECT_THAT(recording.console_.complained, HasSubstr("message 2 on serin.sample.api.web-1"));
}

TEST(Record, AnEmptyStreamIsAnEndToo) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  speaker.sample();
  speaker.client().purge_stream(bus::kInputStream);
  Recording recording(settings_of(server), {.until_idle = true});
  const auto outcome = recording.join();
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(outcome.lines, 0u);
}

TEST(Record, AFullDiskEndsItWithTheReason) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  speaker.sample();
  StringConsole console;
  EXPECT_EQ(
      serinctl({"record", "--nats", server.url(), "--until-idle", "--out", "/dev/full"}, console),
      Exit::failed);
  EXPECT_THAT(console.complained,
              AllOf(HasSubstr("/dev/full"), HasSubstr("the capture ends there")));
}

TEST(Record, WithoutAServerAGivenTimeEndsWithoutAnAnswer) {
  const NatsServer server({.extra_config = {}, .started = false});
  StringConsole console;
  EXPECT_EQ(serinctl({"record", "--nats", server.url(), "--seconds", "0.5"}, console),
            Exit::not_yet);
  EXPECT_THAT(console.complained, HasSubstr("nothing was recorded"));
}

/// The program itself, ended as an init system or a Ctrl-C would end it.
TEST(RecordProgram, EndsInOrderWhenItIsTold) {
  const NatsServer server;
  Speaker speaker(server);
  speaker.make_stream();
  const TemporaryFolder folder;
  const char* const bin = std::getenv("SERIN_BIN");
  ASSERT_NE(bin, nullptr) << "run through ctest";
  const std::string program = std::string(bin) + "/serinctl", out = folder.path() / "live.ndjson";
  for (const int number : {SIGTERM, SIGINT}) {
    uint64_t last = speaker.sample();
    const std::string url = server.url();
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl(program.c_str(), "serinctl", "record", "--nats", url.c_str(), "--from-start", "--out",
              out.c_str(), nullptr);
      ::_exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    // The file holds whole lines while it grows.
    while (read_file(out, 1 << 20).value_or("").empty()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
    for (int i = 0; i < 200; ++i) last = speaker.sample();
    ::kill(child, number);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), 0);
    const std::string text = read_file(out, 1 << 20).value_or("");
    EXPECT_EQ(static_cast<uint64_t>(std::ranges::count(text, '\n')), last);
    EXPECT_TRUE(text.ends_with('\n'));
    std::filesystem::remove(out);
  }
}

}  // namespace
}  // namespace serin::ctl
