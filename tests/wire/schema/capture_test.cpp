#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "schema/capture.h"
#include "schema/limits.h"
#include "tests/wire/generate.h"

namespace serin::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::string& file) {
  const char* source = std::getenv("SERIN_SOURCE");
  std::ifstream in(std::string(source == nullptr ? "." : source) + "/tests/wire/" + file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

template <typename Body>
Body parsed(std::string_view text) {
  auto line = capture::parse(text);
  EXPECT_TRUE(line) << line.error().message << "\nin " << text;
  if (!line || !std::holds_alternative<Body>(line->body)) {
    ADD_FAILURE() << "another kind of line: " << text;
    return {};
  }
  return std::get<Body>(line->body);
}

std::string error_of(std::string_view text) {
  const auto line = capture::parse(text);
  return line ? "no error" : line.error().message;
}

TEST(Capture, EveryLineThatWasWrittenIsRead) {
  Generator generator(21);
  for (int i = 0; i < 3000; ++i) {
    const capture::Line line = generator.line();
    const std::string text = capture::format(line);
    ASSERT_THAT(text, testing::Not(HasSubstr("\n")));
    const auto read = capture::parse(text);
    ASSERT_TRUE(read) << read.error().message << "\nin " << text;
    ASSERT_EQ(*read, line) << text;
    ASSERT_EQ(capture::format(*read), text);
  }
}

TEST(Capture, ReadsASyntheticFleet) {
  const auto lines = lines_of("synthetic_fleet.ndjson");
  ASSERT_EQ(lines.size(), 49U);
  size_t events = 0;
  uint64_t requests = 0;
  for (const std::string& text : lines) {
    const auto line = capture::parse(text);
    ASSERT_TRUE(line) << line.error().message << "\nin " << text;
    EXPECT_EQ(capture::parse(capture::format(*line)), *line);
    if (const auto* sample = std::get_if<Sample>(&line->body)) {
      requests += sample->requests->requests;
      EXPECT_EQ(sample->requests->latency.total(), sample->requests->requests);
      EXPECT_TRUE(sample->process.cpu_seconds && sample->process.rss_bytes && sample->process.fds);
      EXPECT_EQ(sample->counters.at(0).name, "orders");
    } else {
      ++events;
    }
  }
  EXPECT_EQ(events, 4U);
  EXPECT_GT(requests, 2000U);
}

TEST(Capture, AGeneratedSampleHasTheDefaultsOfWhatItLacks) {
  const auto line = capture::parse(
      R"({"t":12.5,"host":"web-07","service":"api","version":"1.4.2","interval":1.0,"requests":34,"errors":2,)"
      R"("latency":{"scale":3,"offset":-41,"counts":[3,9,22]},"gauges":{"rss_bytes":8.1e7,"fds":41.4,"pool":1.5},)"
      R"("counters":{"cpu_seconds":0.41,"orders":3}})");
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line->stored_us, 12'500'000);
  EXPECT_EQ(line->seq, 0U);
  const Sample& sample = std::get<Sample>(line->body);
  EXPECT_EQ(sample.from, (Identity{.host = "web-07", .boot_id = ""}));
  EXPECT_EQ(sample.age_us, 0);
  EXPECT_EQ(sample.interval_us, 1'000'000U);
  EXPECT_EQ(sample.phase, Phase::serving);
  EXPECT_EQ(sample.process.rss_bytes, 81'000'000U);
  EXPECT_EQ(sample.process.fds, 41U);
  EXPECT_EQ(sample.process.cpu_seconds, 0.41);
  EXPECT_EQ(sample.process.threads, std::nullopt);
  EXPECT_EQ(sample.requests->latency.at(-40), 9U);
  EXPECT_EQ(sample.gauges, (std::vector<NamedValue>{{"pool", 1.5}}));
  EXPECT_EQ(sample.counters, (std::vector<NamedValue>{{"orders", 3}}));
}

TEST(Capture, AServiceWithoutRequestsHasNone) {
  const auto sample = parsed<Sample>(
      R"({"t":1,"host":"h","service":"api","version":"","interval":10,"phase":"down"})");
  EXPECT_EQ(sample.requests, std::nullopt);
  EXPECT_EQ(sample.phase, Phase::down);
}

TEST(Capture, AgeIsStoredTimeLessTheIntervalsEnd) {
  const auto line = capture::parse(
      R"({"stored":1700000000.123457,"t":1700000000.000001,"host":"h","service":"_host","version":"","interval":1})");
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line->stored_us, 1'700'000'000'123'457);
  EXPECT_EQ(std::get<Sample>(line->body).age_us, 123'456);
}

TEST(Capture, ReadsEvents) {
  const auto started = parsed<Event>(
      R"({"t":30.2,"host":"web-07","service":"api","event":"version_started","version":"1.4.3","previous":"1.4.2"})");
  EXPECT_EQ(started.kind, EventKind::version_started);
  EXPECT_EQ(started.previous, "1.4.2");
  EXPECT_EQ(started.cause, Cause::external);
  const auto died =
      parsed<Event>(R"({"t":31,"host":"h","service":"api","event":"process_died","code":137})");
  EXPECT_EQ(died.exit_code, 137);
  EXPECT_EQ(died.signal, std::nullopt);
  EXPECT_EQ(parsed<Event>(R"({"t":31,"host":"h","service":"api","event":"silent"})").kind,
            EventKind::silent);
  EXPECT_EQ(parsed<Event>(R"({"t":31,"host":"h","service":"api","event":"final"})").kind,
            EventKind::final_);
}

TEST(Capture, ReadsControls) {
  EXPECT_EQ(parsed<Control>(R"({"t":5,"control":"clock"})").kind, ControlKind::clock);
  const auto act = parsed<Control>(
      R"({"t":5,"control":"act","id":"k","service":"api","act":"hold","deploy":"api-9","actor":"ana","reason":"wait"})");
  EXPECT_EQ(act.act, Act::hold);
  EXPECT_EQ(act.reason, "wait");
  const std::string policy = to_json(PolicySet{});
  EXPECT_EQ(parsed<Control>(R"({"t":5,"control":"policy","policy":)" + policy + "}").policy_json,
            policy);
}

TEST(Capture, AWarmUpStandsInItsLineAsItIs) {
  const std::string line =
      R"({"t":5,"control":"warmup","service":"api","warmup":{"restarts":3,"curves":[[1,2.5]]}})";
  const auto read = parsed<Control>(line);
  EXPECT_EQ(read.kind, ControlKind::warmup);
  EXPECT_EQ(read.service, "api");
  EXPECT_EQ(read.warmup_json, R"({"restarts":3,"curves":[[1,2.5]]})");
  EXPECT_EQ(capture::format({.stored_us = 5'000'000, .body = read}), line);
}

TEST(Capture, APolicyThatIsNoJsonStillComesBackAsItWas) {
  for (const char* text : {"not json", "{\"a\":1} x", "[1]", "{\"a\":", " {}"}) {
    const capture::Line line{.body = Control{.kind = ControlKind::policy, .policy_json = text}};
    EXPECT_EQ(capture::parse(capture::format(line)), line) << text;
  }
}

TEST(Capture, UnknownKeysAreIgnoredWhereverTheyStand) {
  const auto sample = parsed<Sample>(
      R"({"later":{"a":[1,{"b":null}],"c":"\ud83d\ude00"},"t":1,"host":"h","service":"api","version":"v","interval":1,)"
      R"("requests":1,"errors":0,"latency":{"unit":"s","scale":3,"offset":0,"counts":[1]},"extra":[true,false,-1e-3]})");
  EXPECT_EQ(sample.requests->requests, 1U);
}

TEST(Capture, NullIsAbsent) {
  const auto sample = parsed<Sample>(
      R"({"t":1,"stored":null,"host":"h","service":"api","version":"v","interval":1,"gauges":{"fds":null,"x":null},)"
      R"("counters":null,"process_age":null})");
  EXPECT_EQ(sample.process.fds, std::nullopt);
  EXPECT_TRUE(sample.gauges.empty());
  EXPECT_EQ(sample.process_age_us, std::nullopt);
}

TEST(Capture, AMissingKeyIsNamed) {
  EXPECT_EQ(error_of("{}"), "t: is missing");
  EXPECT_EQ(error_of(R"({"t":1})"), "host: is missing");
  EXPECT_EQ(error_of(R"({"t":1,"host":"h"})"), "service: is missing");
  EXPECT_EQ(error_of(R"({"t":1,"host":"h","service":"api"})"), "version: is missing");
  EXPECT_EQ(error_of(R"({"t":1,"host":"h","service":"api","version":"v"})"),
            "interval: is missing");
  const std::string sample = R"({"t":1,"host":"h","service":"api","version":"v","interval":1,)";
  EXPECT_EQ(error_of(sample + R"("requests":1})"), "errors: is missing");
  EXPECT_EQ(error_of(sample + R"("requests":1,"errors":0})"), "latency: is missing");
  EXPECT_EQ(error_of(sample + R"("errors":0})"), "requests: is missing");
  EXPECT_THAT(error_of(R"({"t":1,"host":"h","service":"api","event":"version_started"})"),
              HasSubstr("version"));
}

TEST(Capture, AWrongValueIsNamedWithItsPath) {
  const std::string sample = R"({"t":1,"host":"h","service":"api","version":"v","interval":1,)";
  EXPECT_THAT(error_of(R"({"t":"1"})"), StartsWith("t: expected a number"));
  EXPECT_THAT(error_of(sample + R"("requests":-1})"),
              StartsWith("requests: expected a whole number"));
  EXPECT_THAT(error_of(sample + R"("requests":1.5})"),
              StartsWith("requests: expected a whole number"));
  EXPECT_THAT(error_of(sample + R"("latency":{"counts":[1,"2"]}})"),
              StartsWith("latency.counts: expected a number"));
  EXPECT_THAT(error_of(sample + R"("latency":{"scale":4,"counts":[1]}})"),
              StartsWith("latency: histogram of scale 4"));
  EXPECT_THAT(error_of(sample + R"("gauges":{"fds":"many"}})"),
              StartsWith("gauges.fds: expected a number"));
  EXPECT_THAT(error_of(sample + R"("counters":{"orders":1e999}})"),
              StartsWith("counters.orders: number out of range"));
  EXPECT_THAT(error_of(sample + R"("phase":"asleep"})"),
              StartsWith("phase: unknown name 'asleep'"));
  EXPECT_THAT(error_of(sample + R"("history":1})"), StartsWith("history: expected true or false"));
  EXPECT_THAT(error_of(R"({"t":1,"host":"h","service":"api","event":"exploded"})"),
              StartsWith("event: unknown name 'exploded'"));
  EXPECT_THAT(error_of(R"({"t":1,"control":"reboot"})"),
              StartsWith("control: unknown name 'reboot'"));
  EXPECT_THAT(error_of(R"({"t":1,"control":"clock","event":"final","host":"h","service":"api"})"),
              HasSubstr("not both"));
}

TEST(Capture, WhatTheWireRefusesACaptureCannotSmuggleIn) {
  const std::string sample = R"({"t":1,"host":"h","service":"api","version":"v","interval":1,)";
  const std::string latency = R"("latency":{"scale":3,"offset":0,"counts":[2]})";
  EXPECT_THAT(error_of(sample + R"("requests":1,"errors":0,)" + latency + "}"),
              HasSubstr("requests.latency"));
  EXPECT_THAT(error_of(sample + R"("requests":2,"errors":3,)" + latency + "}"),
              HasSubstr("requests"));
  EXPECT_THAT(error_of(sample + R"("counters":{"orders":-1}})"), HasSubstr("counters"));
  EXPECT_THAT(error_of(R"({"t":1,"host":"","service":"api","event":"final"})"), HasSubstr("host"));
  EXPECT_THAT(error_of(R"({"t":1,"host":"\u001b[2J","service":"api","event":"final"})"),
              HasSubstr("host"));
  EXPECT_THAT(error_of(R"({"t":1,"host":"h","service":"a/b","event":"final"})"),
              HasSubstr("service"));
  EXPECT_THAT(error_of(R"({"t":-1,"control":"clock"})"), HasSubstr("stored"));
  EXPECT_THAT(error_of(R"({"t":1e300,"control":"clock"})"), HasSubstr("t: not a time"));
}

TEST(Capture, ATornLineIsAnError) {
  Generator generator(22);
  for (int i = 0; i < 10; ++i) {
    const std::string whole = capture::format(generator.line());
    for (size_t length = 0; length < whole.size(); ++length) {
      ASSERT_FALSE(capture::parse(std::string_view(whole).substr(0, length)))
          << length << " of " << whole;
    }
  }
}

TEST(Capture, AGarbledLineIsAnErrorOrSurvivesBeingWritten) {
  Generator generator(23);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = capture::format(generator.line());
    for (uint64_t changes = 1 + generator.below(3); changes > 0; --changes) {
      text[generator.below(text.size())] = static_cast<char>(generator.below(256));
    }
    const auto line = capture::parse(text);
    if (!line) {
      ASSERT_FALSE(line.error().message.empty());
      continue;
    }
    ASSERT_EQ(capture::parse(capture::format(*line)), *line) << text;
  }
}

TEST(Capture, ALineHasALimit) {
  EXPECT_THAT(error_of(std::string((1 << 20) + 1, ' ')), HasSubstr("more than 1 MiB"));
  EXPECT_THAT(error_of(std::string(500'000, '[')), HasSubstr("expected '{'"));
  EXPECT_THAT(error_of(R"({"x":)" + std::string(500'000, '[')), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace serin::test
