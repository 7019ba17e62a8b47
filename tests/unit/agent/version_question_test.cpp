#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/version/ask_once.h"
#include "agent/version/command_question.h"
#include "agent/version/http_question.h"
#include "agent/version/json_pointer.h"
#include "agent/version/unit_question.h"
#include "agent/version/version_inquiry.h"
#include "tests/unit/agent/page_server.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/scripted_units.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;

std::string said(const Result<std::string>& answer) {
  return answer ? *answer : "!" + answer.error().message;
}

/// Real programs, run by the shell.
class CommandQuestionTest : public testing::Test {
 protected:
  std::string run(const std::string& script, uint64_t timeout_ms = 5000) {
    return run_program({"/bin/sh", "-c", script}, timeout_ms);
  }
  std::string run_program(std::vector<std::string> argv, uint64_t timeout_ms = 5000) {
    CommandQuestion question(loop_.get(), std::move(argv), timeout_ms);
    std::optional<std::string> answer;
    question.ask({}, [&](const Result<std::string>& told) { answer = said(told); });
    EXPECT_FALSE(answer);  // not from within
    EXPECT_TRUE(run_until(loop_, [&] { return answer.has_value(); }));
    return answer.value_or("none");
  }
  TempFolder folder_;
  UvLoop loop_;
};

TEST_F(CommandQuestionTest, TheFirstLineIsTheVersion) {
  EXPECT_EQ(run("printf '  1.2.3 \\r\\nbuilt by hand\\n'"), "1.2.3");
  EXPECT_EQ(run("echo warning >&2; echo 2"), "2");
  EXPECT_EQ(run("printf 3"), "3");
}

TEST_F(CommandQuestionTest, ItHasAnEmptyEnvironmentButPathAndNoInput) {
  ::setenv("SERIN_SECRET", "x", 1);
  EXPECT_EQ(run("cat; echo \"v${SERIN_SECRET}${HOME}\"; ls / >/dev/null"), "v");
  EXPECT_EQ(run_program({"/usr/bin/env"}).substr(0, 5), "PATH=");
  EXPECT_EQ(run("pwd"), "/");
}

TEST_F(CommandQuestionTest, NoneOfTheAgentsDescriptorsReachIt) {
  int leaky = ::open("/dev/null", O_RDONLY);        // as a library opens them
  EXPECT_EQ(run("ls /proc/self/fd | wc -l"), "4");  // three, and that of the folder itself
  ::close(leaky);
}

TEST_F(CommandQuestionTest, WhatIsNoVersionSaysSoInOneLine) {
  EXPECT_EQ(run("true"), "!/bin/sh: its first line is empty, and so no version");
  EXPECT_THAT(run("printf 'a\\377b\\n'"), HasSubstr("its first line is no version"));
  EXPECT_THAT(run("printf 'a\\377b\\n'"), HasSubstr("a\\xffb"));
  EXPECT_THAT(run("printf 'a\\tb\\n'"), HasSubstr("a\\x09b"));
  EXPECT_THAT(run("head -c 129 /dev/zero | tr '\\0' x"), HasSubstr("its first line is no version"));
  EXPECT_EQ(run("echo 1.2; echo 'no such database' >&2; echo more >&2; exit 3"),
            "!/bin/sh ended with status 3: no such database");
  EXPECT_EQ(run("kill -SEGV $$"), "!/bin/sh ended by signal 11");
  EXPECT_EQ(run_program({"/no/such/program"}),
            "!cannot run /no/such/program: no such file or directory");
}

TEST_F(CommandQuestionTest, WhatPrintsTenMegabytesIsEndedEarly) {
  EXPECT_EQ(run("head -c 10000000 /dev/zero | tr '\\0' x; sleep 100"),
            "!/bin/sh printed more than 4096 bytes; only a version is wanted");
  EXPECT_EQ(run("head -c 10000000 /dev/zero >&2; echo 5"), "5");
}

TEST_F(CommandQuestionTest, WhatHangsIsKilledWithAllThatItStarted) {
  auto file = folder_ / "pid";
  EXPECT_EQ(run("sleep 1000 & echo $! > " + file.string() + "; echo stuck >&2; wait", 300),
            "!/bin/sh did not end in time and was killed: stuck");
  pid_t child = std::stoi(*read_file(file, 100));
  EXPECT_TRUE(run_until(loop_, [&] {
    UvTimer turn(loop_.get(), [] {});
    turn.start(5);
    loop_.run_once();
    auto status = read_file(fmt::format("/proc/{}/stat", child), 4096);
    return !status || status->find(") Z") != std::string::npos;
  }));
}

TEST_F(CommandQuestionTest, WhoItLeavesBehindHoldsNothingUp) {
  const uint64_t begin_ns = uv_hrtime();
  EXPECT_EQ(run("sleep 1000 & echo 7"), "7");
  EXPECT_LT(uv_hrtime() - begin_ns, 3'000'000'000U);
}

TEST_F(CommandQuestionTest, WhatIsAskedAnewForgetsTheOneBefore) {
  CommandQuestion question(loop_.get(), {"/bin/sh", "-c", "sleep 1000"});
  int answers = 0;
  for (int i = 0; i < 3; ++i) question.ask({}, [&](const Result<std::string>&) { ++answers; });
  question.stop();
  UvTimer turn(loop_.get(), [] {});
  turn.start(50);
  loop_.run_once();
  EXPECT_EQ(answers, 0);
}

// ---- HTTP

class HttpQuestionTest : public testing::Test {
 protected:
  std::string ask(std::string bytes, ServiceFile::VersionHttp http = {},
                  PageServer::After after = PageServer::After::close) {
    PageServer server([&] { return PageServer::Answer{.bytes = bytes, .after = after}; });
    http.url = {.host = "127.0.0.1", .port = server.port(), .target = "/v"};
    HttpQuestion question(loop_.get(), http, 300);
    std::optional<std::string> answer;
    question.ask({}, [&](const Result<std::string>& told) { answer = said(told); });
    EXPECT_TRUE(run_until(loop_, [&] { return answer.has_value(); }));
    std::string text = answer.value_or("none");
    size_t place = text.find("/v: ");
    return place == std::string::npos ? text : "!" + text.substr(place + 4);
  }
  static std::string page(std::string_view text, std::string_view head = "") {
    return fmt::format("HTTP/1.1 200 OK\r\n{}Content-Length: {}\r\n\r\n{}", head, text.size(),
                       text);
  }
  UvLoop loop_;
};

TEST_F(HttpQuestionTest, TheFirstLineTheHeaderOrWhatThePointerLeadsTo) {
  EXPECT_EQ(ask(page("1.2.3\nmore")), "1.2.3");
  EXPECT_EQ(ask(page("", "X-Version: 4\r\n"), {.header = "x-version"}), "4");
  EXPECT_EQ(ask(page(R"({"build":{"version":"5-\u00e9"}})"), {.json = "/build/version"}), "5-é");
}

TEST_F(HttpQuestionTest, WhatIsNoAnswerSaysWhy) {
  EXPECT_EQ(ask(page("1"), {.header = "x-version"}), "!its answer has no header x-version");
  EXPECT_EQ(ask(page("{}"), {.json = "/v"}), "!its answer has nothing at /v");
  EXPECT_THAT(ask(page("{"), {.json = "/v"}), HasSubstr("!its answer is no JSON"));
  EXPECT_EQ(ask("HTTP/1.1 503 Starting\r\n\r\n"), "!it answered 503 Starting");
  EXPECT_EQ(ask(""), "!it closed the connection without an answer");
  EXPECT_EQ(ask("SSH-2.0\r\n\r\n"), "!it does not speak HTTP/1");
  EXPECT_THAT(ask(page("\xff\xfe")), HasSubstr("!its first line is no version"));
  EXPECT_EQ(ask(page(std::string(10'000'000, 'x'))),
            "!its answer is larger than 64 KiB; only a version is wanted");
  EXPECT_EQ(ask("HTTP/1.1 200 OK\r\n", {}, PageServer::After::hang), "!it took too long");
}

TEST(JsonPointer, LeadsThroughObjectsListsAndEscapes) {
  constexpr std::string_view kText =
      R"({"a/b":{"~":[1,{"v":"x"},-2.50]},"n":null,"":"empty","o":{},"twice":1,"twice":2})";
  EXPECT_EQ(said(text_at(kText, "/a~1b/~0/1/v")), "x");
  EXPECT_EQ(said(text_at(kText, "/a~1b/~0/2")), "-2.50");
  EXPECT_EQ(said(text_at(kText, "/")), "empty");
  EXPECT_EQ(said(text_at(kText, "/twice")), "2");
  EXPECT_EQ(said(text_at("\"1.2\"", "")), "1.2");
  for (const auto* nothing : {"/c", "/a~1b/~0/3", "/a~1b/~0/01", "/a~1b/~0/-", "/n/x"})
    EXPECT_THAT(said(text_at(kText, nothing)), HasSubstr("has nothing at")) << nothing;
  for (const auto* no_text : {"/n", "/o", "/a~1b"})
    EXPECT_THAT(said(text_at(kText, no_text)), HasSubstr("neither a text nor a number")) << no_text;
  for (const auto* broken : {"", "{", "{\"v\":1", "{\"v\":1}x", "[1,]", "{\"v\":\"\\ud800\"}"})
    EXPECT_EQ(said(text_at(broken, "/v")).substr(0, 1), "!") << broken;
  EXPECT_FALSE(text_at(std::string(100'000, '['), "/0"));
}

// ---- a unit's property

class UnitQuestionTest : public testing::Test {
 protected:
  static UnitWord word(const std::string& invocation, std::vector<std::string> environment,
                       UnitWord::Whence whence = UnitWord::Whence::read) {
    auto word = running_unit("api.service", invocation, 42, 1);
    word.whence = whence;
    word.texts = {{.property = "Environment", .values = std::move(environment)}};
    return word;
  }
  std::string ask(const std::string& generation) {
    std::optional<std::string> answer;
    question_.ask(generation, [&](const Result<std::string>& told) { answer = said(told); });
    EXPECT_FALSE(answer);
    EXPECT_TRUE(run_until(loop_, [&] { return answer.has_value(); }));
    return answer.value_or("none");
  }
  UvLoop loop_;
  ScriptedUnits units_;
  UnitQuestion question_{
      loop_.get(), units_, {"api.service"}, {.property = "Environment", .key = "VERSION"}};
};

TEST_F(UnitQuestionTest, ItIsWhatWasLoadedWhenTheGenerationBegan) {
  units_.say(word("a1", {"A=1", "VERSION=1.0", "VERSIONS=2"}));
  EXPECT_EQ(ask("api.service:a1"), "1.0");
  units_.say(word("a1", {"VERSION=2.0"}));  // daemon-reload, without a restart
  EXPECT_EQ(ask("api.service:a1"), "1.0");
  units_.say(word("b2", {"VERSION=2.0"}));
  EXPECT_EQ(ask("api.service:b2"), "2.0");
}

TEST_F(UnitQuestionTest, ASignalsWordIsTooOldToTell) {
  units_.say(word("a1", {"VERSION=1.0"}));
  units_.say(word("b2", {"VERSION=1.0"}, UnitWord::Whence::signal));
  std::optional<std::string> answer;
  question_.ask("api.service:b2", [&](const Result<std::string>& told) { answer = said(told); });
  loop_.run_ready();
  EXPECT_FALSE(answer);
  EXPECT_EQ(units_.asked, std::vector<std::string>{"api.service"});
  units_.say(word("b2", {"VERSION=2.0"}));
  ASSERT_TRUE(run_until(loop_, [&] { return answer.has_value(); }));
  EXPECT_EQ(answer, "2.0");
}

TEST_F(UnitQuestionTest, WhatIsNotThereSaysSo) {
  units_.say(word("a1", {"A=1"}));
  EXPECT_EQ(
      ask("api.service:a1"),
      "!api.service: Environment sets no VERSION; variables of an EnvironmentFile are not in it");
  auto none = word("c3", {});
  none.texts[0].values.reset();
  units_.say(none);
  EXPECT_THAT(ask("api.service:c3"), HasSubstr("is no property with a text"));
}

// ---- until it is answered

/// A question that is answered as a test says.
class ScriptedQuestion : public VersionQuestion {
 public:
  struct Script {
    std::vector<std::string> answers;  ///< "!" and why, or a version; the last one again and again
    std::vector<std::string> asked;
  };
  ScriptedQuestion(uv_loop_t* loop, Script& script)
      : script_(script), soon_(loop, [this] { tell(); }) {}
  void ask(const std::string& generation, Answer answer) override {
    script_.asked.push_back(generation);
    answer_ = std::move(answer);
    soon_.start(0);
  }
  void stop() override { answer_ = nullptr; }

 private:
  void tell() {
    auto& text = script_.answers[std::min(script_.asked.size(), script_.answers.size()) - 1];
    if (auto answer = std::exchange(answer_, nullptr))
      answer(text.starts_with('!') ? Result<std::string>(fail(text.substr(1)))
                                   : Result<std::string>(text));
  }
  Script& script_;
  Answer answer_;
  UvTimer soon_;
};

TEST(VersionInquiry, AsksUntilItIsAnswered) {
  UvLoop loop;
  ScriptedQuestion::Script script{.answers = {"!refused", "!503", "1.2"}, .asked = {}};
  VersionInquiry inquiry(loop.get(), std::make_unique<ScriptedQuestion>(loop.get(), script),
                         {.first_ms = 5, .longest_ms = 10, .in_all_ms = 60'000});
  std::optional<std::string> answer;
  inquiry.begin("g1", [&](const Result<std::string>& told) { answer = said(told); });
  ASSERT_TRUE(run_until(loop, [&] { return answer.has_value(); }));
  EXPECT_EQ(answer, "1.2");
  EXPECT_EQ(script.asked, (std::vector<std::string>{"g1", "g1", "g1"}));
  EXPECT_EQ(inquiry.problem(), "503");
}

TEST(VersionInquiry, GivesUpWithTheLastReason) {
  UvLoop loop;
  ScriptedQuestion::Script script{.answers = {"!refused"}, .asked = {}};
  VersionInquiry inquiry(loop.get(), std::make_unique<ScriptedQuestion>(loop.get(), script),
                         {.first_ms = 5, .longest_ms = 20, .in_all_ms = 1000});
  std::optional<std::string> answer;
  inquiry.begin("g1", [&](const Result<std::string>& told) { answer = said(told); });
  ASSERT_TRUE(run_until(loop, [&] { return answer.has_value(); }));
  EXPECT_EQ(answer, "!it did not tell its version within 1 s of being asked: refused");
  EXPECT_GE(script.asked.size(), 10U);
}

TEST(VersionInquiry, AnotherGenerationIsAskedAnew) {
  UvLoop loop;
  ScriptedQuestion::Script script{.answers = {"1", "2"}, .asked = {}};
  VersionInquiry inquiry(loop.get(), std::make_unique<ScriptedQuestion>(loop.get(), script));
  std::vector<std::string> answers;
  inquiry.begin("g1",
                [&](const Result<std::string>& told) { answers.push_back("g1 " + said(told)); });
  inquiry.begin("g2",
                [&](const Result<std::string>& told) { answers.push_back("g2 " + said(told)); });
  ASSERT_TRUE(run_until(loop, [&] { return !answers.empty(); }));
  EXPECT_EQ(answers, std::vector<std::string>{"g2 2"});
}

TEST(AskVersionOnce, IsForCheckToShow) {
  ServiceFile service;
  service.name = "api";
  EXPECT_FALSE(ask_version_once(service));
  service.version = ServiceFile::VersionCommand{{"/bin/echo", "1.2"}};
  EXPECT_EQ(said(ask_version_once(service)), "1.2");
}

}  // namespace
}  // namespace serin::agent
