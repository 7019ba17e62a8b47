#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "aggregator/render/render.h"
#include "ctl/settings.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/ctl/api_stub.h"
#include "tests/unit/ctl/string_console.h"

// The subcommands against an API that answers as the test says: what people read, and what
// pipelines go by.

namespace serin::ctl {
namespace {

using core::DeployState;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kOpened = 1'795'177'800'000'000;  // 2026-11-20 12:30:00 UTC

core::DeployView deploy_view() {
  core::DeployView deploy;
  deploy.id = "shop-mg1abc";
  deploy.service = "shop";
  deploy.version = "null-field";
  deploy.previous = "good-1";
  deploy.opened_us = kOpened;
  deploy.window_ends_us = kOpened + 45'000'000;
  deploy.first_bad_us = kOpened + 1'000'000;
  deploy.hosts = {{.host = "web-02", .from = "good-1", .joined_us = kOpened}};
  deploy.baseline_hosts = {"web-01", "web-03"};
  deploy.canary_requests = 1234;
  deploy.canary_errors = 83;
  deploy.requests_harmed = 83;
  deploy.metrics = {{.metric = "errors",
                     .canary = 0.041,
                     .baseline = 0.003,
                     .effect = 13.7,
                     .effect_low = 8.1,
                     .effect_high = 22,
                     .log_evidence = 9.39,
                     .threshold = 6.86,
                     .text = "as the core says it"}};
  deploy.timeline = {{kOpened, "detected", "web-02", "shop null-field started on web-02"}};
  return deploy;
}

core::DeployView rolled_back() {
  core::DeployView deploy = deploy_view();
  deploy.state = DeployState::recovered;
  deploy.verdict = "rollback";
  deploy.decided_us = kOpened + 3'800'000;
  deploy.ended_us = kOpened + 20'000'000;
  deploy.reason = {.kind = ReasonKind::evidence,
                   .metric = "errors",
                   .canary = 0.041,
                   .baseline = 0.003,
                   .effect = 13.7,
                   .log_evidence = 9.39,
                   .threshold = 6.86,
                   .text = "errors 4.1 % against 0.3 %"};
  deploy.hosts[0].target = "good-1";
  deploy.hosts[0].step = "verified";
  deploy.hosts[0].restored_us = kOpened + 5'200'000;
  deploy.timeline.push_back({deploy.decided_us, "decided", "", "rollback"});
  return deploy;
}

/// What the caller's shell may hold must not decide these tests.
const bool kCleanEnvironment = ::unsetenv("SERIN_URL") == 0 && ::unsetenv("SERIN_TOKEN") == 0;

class Commands : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(kCleanEnvironment); }

  Exit ask(std::vector<std::string> words) {
    words.insert(words.begin(), {"--config", config_, "--api", stub.url()});
    return serinctl(words, console);
  }
  void deploy_is(const core::DeployView& deploy) {
    stub.answer("/api/v1/deploys/" + deploy.id, {{200, render::deploy(deploy)}});
  }

  ApiStub stub;
  StringConsole console;
  const TemporaryFolder folder;

 private:
  const std::string config_ = folder.write("serinctl.toml", "");
};

TEST_F(Commands, ExplainTellsTheReasonTheNumbersTheCostAndTheTimeline) {
  deploy_is(rolled_back());
  ASSERT_EQ(ask({"explain", "shop-mg1abc"}), Exit::done) << console.complained;
  for (const char* words :
       {"rolled back, and the trouble is gone", "rollback, 3.8 s after it was first seen",
        "errors 4.1 % against 0.3 %", "as the core says it", "web-01 and web-03",
        "83 requests were harmed, of 1,234", "12:30:03.800     +3.8 s  decided", "+5.2 s"}) {
    EXPECT_THAT(console.said, HasSubstr(words));
  }
}

TEST_F(Commands, ExplainOfADeployThatIsStillWatchedPromisesNothing) {
  deploy_is(deploy_view());
  ASSERT_EQ(ask({"explain", "shop-mg1abc"}), Exit::done);
  EXPECT_THAT(console.said, AllOf(HasSubstr("being watched"), HasSubstr("no verdict yet")));
}

TEST_F(Commands, ExplainOfWhatIsLongOverStillHasTheNumbersThatDecided) {
  auto deploy = rolled_back();
  deploy.metrics.clear();
  deploy_is(deploy);
  ASSERT_EQ(ask({"explain", "shop-mg1abc"}), Exit::done);
  EXPECT_THAT(console.said,
              HasSubstr("another version: web-01 and web-03.\n  errors 4.1 % against 0.3 %\n"));
}

TEST_F(Commands, JsonIsWhatTheAggregatorSaid) {
  deploy_is(rolled_back());
  ASSERT_EQ(ask({"--output", "json", "explain", "shop-mg1abc"}), Exit::done);
  EXPECT_EQ(console.said, render::deploy(rolled_back()) + "\n");
}

TEST_F(Commands, ServiceAtVersionIsItsNewestDeployOnWhicheverPage) {
  auto other = deploy_view();
  other.id = "shop-new";
  other.version = "good-2";
  auto old = deploy_view();
  old.id = "shop-old";
  stub.answer("/api/v1/deploys?service=shop&limit=100",
              {{200, render::deploys({other}, "shop-new")}});
  stub.answer("/api/v1/deploys?service=shop&limit=100&cursor=shop-new",
              {{200, render::deploys({rolled_back(), old}, std::nullopt)}});
  deploy_is(rolled_back());
  EXPECT_EQ(ask({"explain", "shop@null-field"}), Exit::done) << console.complained;
  EXPECT_EQ(ask({"explain", "shop@never"}), Exit::failed);
  EXPECT_THAT(console.complained, HasSubstr("no deploy of shop never"));
  EXPECT_EQ(ask({"explain", "Shop !@x"}), Exit::usage);
}

TEST_F(Commands, WhatAHostSaysCannotMoveTheCursor) {
  auto deploy = rolled_back();
  deploy.hosts[0].reason = "\x1b[2J gone";
  deploy.timeline[0].text = "a\nb";
  deploy_is(deploy);
  ASSERT_EQ(ask({"explain", "shop-mg1abc"}), Exit::done);
  EXPECT_THAT(console.said, Not(HasSubstr("\x1b")));
  EXPECT_THAT(console.said, HasSubstr("a b"));
}

TEST_F(Commands, StatusShowsServicesDeploysAndHostsInTrouble) {
  stub.answer("/api/v1/status", {{200, render::status({.connected = true,
                                                       .caught_up = true,
                                                       .now_us = kOpened,
                                                       .counters = {{"samples", 7}},
                                                       .version = "9.9",
                                                       .warnings = {"the disk is full"}})}});
  const std::vector<core::PlaceboView> placebos = {
      {.metric = "errors", .runs_hour = 114},
      {.metric = "latency_p99", .runs_hour = 114, .fired_hour = 3, .widening = 1.5,
       .advisory = true,
       .text = "latency_p99 is advisory: it fired on 3 of 20 untouched hosts in the last hour"}};
  stub.answer("/api/v1/services", {{200, render::services({{.name = "shop",
                                                            .settled = {"good-1"},
                                                            .condemned = {"null-field"},
                                                            .hosts = 6,
                                                            .versions = {{"good-1", 6}},
                                                            .open_deploys = {},
                                                            .placebos = placebos}})}});
  core::HostView silent{
      .host = "web-03", .service = "shop", .last_heard_us = kOpened, .silent = true};
  stub.answer("/api/v1/hosts", {{200, render::hosts({silent})}});
  stub.answer("/api/v1/deploys?limit=10", {{200, render::deploys({rolled_back()}, std::nullopt)}});
  ASSERT_EQ(ask({"status"}), Exit::done) << console.complained;
  for (const char* words : {"Serin 9.9", "connected to NATS", "! the disk is full", "good-1 (6)",
                            "null-field", "shop: 3 in 114 trials on untouched hosts in the last hour",
                            "! latency_p99 is advisory: it fired on 3 of 20 untouched hosts",
                            "web-03 (shop): silent since 2026-11-20 12:30:00 UTC"}) {
    EXPECT_THAT(console.said, HasSubstr(words));
  }
  ASSERT_EQ(ask({"hosts"}), Exit::done);
  console.said.clear();
  ASSERT_EQ(ask({"status", "--output", "json"}), Exit::done);
  EXPECT_THAT(console.said,
              AllOf(testing::StartsWith("{\"status\":{\"connected\":true"),
                    HasSubstr("\"services\":[{\"name\":"), HasSubstr("\"hosts\":[{\"host\":"),
                    HasSubstr("\"deploys\":[{\"id\":\"shop-mg1abc\"")));
}

TEST_F(Commands, DeploysAskForNoMoreThanWanted) {
  stub.answer("/api/v1/deploys?limit=1&service=shop&state=recovered",
              {{200, render::deploys({rolled_back()}, "shop-mg1abc")}});
  ASSERT_EQ(ask({"deploys", "--limit", "1", "--service", "shop", "--state", "recovered"}),
            Exit::done)
      << console.complained;
  EXPECT_THAT(console.said,
              AllOf(HasSubstr("shop-mg1abc"), HasSubstr("recovered"), HasSubstr("+3.8 s")));
  EXPECT_EQ(stub.asked().size(), 1u);
}

TEST_F(Commands, AStateThatIsNotKnownIsSaidNotGuessed) {
  stub.answer("/api/v1/deploys/x", {{200, R"({"id":"x","state":"dreaming"})"}});
  EXPECT_EQ(ask({"explain", "x"}), Exit::not_yet);
  EXPECT_THAT(console.complained, HasSubstr("dreaming"));
}

TEST_F(Commands, WatchTellsEachEntryOnceAndEndsWithTheDeploy) {
  stub.answer("/api/v1/status", {{200, render::status({.now_us = kOpened + 2'000'000})}});
  stub.answer("/api/v1/deploys/shop-mg1abc", {{200, render::deploy(deploy_view())},
                                              {0, ""},  // the aggregator restarts meanwhile
                                              {200, render::deploy(rolled_back())}});
  ASSERT_EQ(ask({"watch", "shop-mg1abc"}), Exit::done) << console.complained;
  const size_t detected = console.said.find("detected");
  ASSERT_NE(detected, console.said.npos);
  EXPECT_EQ(console.said.find("detected", detected + 1), console.said.npos);
  EXPECT_THAT(console.said, AllOf(HasSubstr("decided"), HasSubstr("the trouble is gone")));
  ASSERT_FALSE(console.lines.empty());
  EXPECT_THAT(console.lines[0],
              AllOf(HasSubstr("errors 4.1 % against 0.30 %"), HasSubstr("43 s left")));
}

std::string header_of(const ApiStub::Asked& asked, const std::string& name) {
  const size_t at = asked.head.find(name + ": ");
  if (at == asked.head.npos) return "";
  const size_t begin = at + name.size() + 2;
  return asked.head.substr(begin, asked.head.find("\r\n", begin) - begin);
}

constexpr const char* kAccepted =
    R"({"act":{"id":"1","deploy":"shop-mg1abc","kind":"rollback","accepted_at":null}})";

TEST_F(Commands, AnActCarriesTokenReasonHostAndAKeyOfItsOwn) {
  stub.answer("/api/v1/deploys/shop-mg1abc/rollback", {{202, kAccepted}});
  const auto token = folder.write("token", "  secret-1\n");
  const std::vector<std::string> words = {"--token-file", token,    "rollback", "shop-mg1abc",
                                          "--host",       "web-02", "--reason", "it \"hurts\""};
  ASSERT_EQ(ask(words), Exit::done) << console.complained;
  ASSERT_EQ(ask(words), Exit::done);
  const auto asked = stub.asked();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].method, "POST");
  EXPECT_EQ(asked[0].body, R"({"reason":"it \"hurts\"","host":"web-02"})");
  EXPECT_EQ(header_of(asked[0], "Authorization"), "Bearer secret-1");
  EXPECT_EQ(header_of(asked[0], "Idempotency-Key").size(), 32u);
  EXPECT_NE(header_of(asked[0], "Idempotency-Key"), header_of(asked[1], "Idempotency-Key"));
  EXPECT_THAT(console.said, HasSubstr("Accepted: rollback of shop-mg1abc on web-02"));
}

TEST_F(Commands, AnActWhoseAnswerWasLostIsAskedAgainUnderTheSameKey) {
  stub.answer("/api/v1/deploys/x/hold",
              {{0, ""}, problem(503, "bus_unavailable", "No bus", "again"), {202, kAccepted}});
  ASSERT_EQ(ask({"hold", "x"}), Exit::done) << console.complained;
  const auto asked = stub.asked();
  ASSERT_EQ(asked.size(), 3u);
  std::vector<std::string> keys;
  for (const auto& one : asked) keys.push_back(header_of(one, "Idempotency-Key"));
  EXPECT_THAT(keys, Each(keys[0]));
}

TEST_F(Commands, EveryRefusalHasItsExitStatusAndItsWords) {
  struct Case {
    ApiStub::Reply reply;
    Exit exit;
    const char* words;
  };
  for (const Case& c : {
           Case{problem(401, "unauthenticated", "A token", "send one"), Exit::not_allowed,
                "send one"},
           Case{problem(403, "forbidden", "No", "needs operator"), Exit::not_allowed,
                "needs operator"},
           Case{problem(404, "not_found", "Nothing", "no such deploy"), Exit::failed,
                "no such deploy"},
           Case{problem(409, "deploy_ended", "Ended", "too late"), Exit::failed, "too late"},
           Case{problem(422, "unprocessable", "Bad", "wrong host"), Exit::usage, "wrong host"},
           Case{problem(500, "internal", "Oh", "see the log"), Exit::failed, "see the log"},
           Case{{404, "<html>"}, Exit::not_yet, "not how an aggregator answers"},
           Case{{200, "<html>"}, Exit::not_yet, "not an answer of an aggregator"},
           Case{{301, ""}, Exit::not_yet, "answered 301"},
       }) {
    stub.answer("/api/v1/deploys/x/pass", {c.reply});
    console.complained.clear();
    EXPECT_EQ(ask({"pass", "x"}), c.exit) << c.words;
    EXPECT_THAT(console.complained, HasSubstr(c.words));
    EXPECT_EQ(console.said, "");
  }
}

constexpr const char* kDrillAccepted =
    R"({"act":{"id":"d1","deploy":null,"kind":"drill","accepted_at":null}})";

ApiStub::Reply drill_is(core::DrillState state, const std::string& text) {
  return {200, render::drill({.id = "d1",
                              .service = "shop",
                              .host = "web-07",
                              .version = "v2",
                              .target = "v1",
                              .actor = "anna",
                              .state = state,
                              .text = text})};
}

TEST_F(Commands, ADrillThatIsWaitedForEndsAsItEnded) {
  using enum core::DrillState;
  const std::vector<std::string> words = {"drill", "web-07", "shop", "--wait", "--reason", "before the sale"};
  stub.answer("/api/v1/drills", {{202, kDrillAccepted}});
  stub.answer("/api/v1/drills/d1", {problem(404, "not_found", "Not yet", ""), drill_is(running, "asked for"),
                                    drill_is(drilled, "there in 1.9 s, back in 2.1 s")});
  ASSERT_EQ(ask(words), Exit::done) << console.complained;
  EXPECT_EQ(stub.asked().front().body, R"({"host":"web-07","service":"shop","reason":"before the sale"})");
  EXPECT_THAT(console.said, HasSubstr("drilled: shop on web-07: there in 1.9 s, back in 2.1 s"));
  stub.answer("/api/v1/drills/d1", {drill_is(failed, "v1 was not healthy")});
  EXPECT_EQ(ask(words), Exit::failed);
  stub.answer("/api/v1/drills/d1", {drill_is(refused, "deploy shop-1 of v3 is still open")});
  EXPECT_EQ(ask(words), Exit::failed);
  EXPECT_THAT(console.said, HasSubstr("refused: shop on web-07: deploy shop-1 of v3 is still open"));
}

TEST_F(Commands, ADrillThatIsNotWaitedForIsUnderWayOrRefused) {
  using enum core::DrillState;
  stub.answer("/api/v1/drills", {{202, kDrillAccepted}});
  stub.answer("/api/v1/drills/d1", {drill_is(running, "asked for by anna")});
  EXPECT_EQ(ask({"drill", "web-07", "shop"}), Exit::done);
  EXPECT_THAT(console.said, HasSubstr("Under way: shop on web-07"));
  stub.answer("/api/v1/drills/d1", {drill_is(refused, "web-07 does not serve")});
  EXPECT_EQ(ask({"drill", "web-07", "shop"}), Exit::failed);
}

TEST_F(Commands, ADrillThatMayNotBeAskedForSaysSo) {
  stub.answer("/api/v1/drills", {problem(403, "forbidden", "No", "needs operator")});
  EXPECT_EQ(ask({"drill", "web-07", "shop", "--wait"}), Exit::not_allowed);
  stub.answer("/api/v1/drills", {{0, ""}});
  EXPECT_EQ(ask({"drill", "web-07", "shop", "--wait"}), Exit::not_yet);
  EXPECT_EQ(ask({"drill", "web-07"}), Exit::usage);
}

TEST_F(Commands, DrillsAreListedWithWhatTheyTook) {
  core::DrillView drill{.id = "d1", .service = "shop", .host = "web-07", .version = "v2", .target = "v1"};
  drill.state = core::DrillState::drilled;
  drill.there_seconds = 1.94;
  drill.back_seconds = 2.12;
  stub.answer("/api/v1/drills?service=shop", {{200, render::drills({drill})}});
  ASSERT_EQ(ask({"drills", "--service", "shop"}), Exit::done) << console.complained;
  for (const char* words : {"web-07", "drilled", "1.9 s", "2.1 s"}) EXPECT_THAT(console.said, HasSubstr(words));
}

TEST_F(Commands, HostsShowWhetherARollbackWouldWorkAndWhatItTookInTheLastDrill) {
  core::HostView ready{.host = "web-01", .service = "shop", .version = "v2"};
  ready.facts = {{"rollback.ready", "yes"},
                 {"rollback.rehearsed_at", "2026-11-20T12:00:00Z"},
                 {"rollback.rehearsed_seconds", "1.9"}};
  core::HostView not_ready{.host = "web-02", .service = "shop", .version = "v2"};
  not_ready.facts = {{"rollback.ready", "no: release v1 is gone"}, {"rollback.rehearsed_seconds", "absent: never"}};
  stub.answer("/api/v1/hosts", {{200, render::hosts({ready, not_ready})}});
  ASSERT_EQ(ask({"hosts"}), Exit::done) << console.complained;
  EXPECT_THAT(console.said, HasSubstr("1.9 s on 2026-11-20"));
  EXPECT_THAT(console.said, HasSubstr("no rollback would work: release v1 is gone"));
  EXPECT_THAT(console.said, Not(HasSubstr("never s")));
}

TEST_F(Commands, AVersionIsDeclaredOrAbsolved) {
  stub.answer("/api/v1/versions/shop/1.2%2Fx/declare",
              {{202, R"({"act":{"id":"1","deploy":null,"kind":"declare","accepted_at":null}})"}});
  ASSERT_EQ(ask({"declare", "shop@1.2/x", "--irreversible", "--reason", "drops a column"}), Exit::done)
      << console.complained;
  EXPECT_EQ(stub.asked().back().body, R"({"reason":"drops a column","irreversible":true})");
  ASSERT_EQ(ask({"declare", "shop@1.2/x", "--reversible"}), Exit::done);
  EXPECT_EQ(stub.asked().back().body, R"({"irreversible":false})");
  EXPECT_EQ(ask({"declare", "shop@1.2/x"}), Exit::usage);
  EXPECT_EQ(ask({"declare", "shop", "--irreversible"}), Exit::usage);
  stub.answer("/api/v1/versions/shop/v2/absolve", {problem(403, "forbidden", "No", "needs admin")});
  EXPECT_EQ(ask({"absolve", "shop@v2"}), Exit::not_allowed);
}

std::string gate_json(core::Fold::Gate gate, const std::string& text) {
  return render::gate({gate, text});
}

TEST_F(Commands, GateEndsWithWhatThePipelineShouldDo) {
  using Gate = core::Fold::Gate;
  const std::string target = "/api/v1/gates/shop/1.2%2Fx?stage=5%25";
  const std::vector<std::string> words = {"gate", "shop@1.2/x", "--stage", "5%"};
  stub.answer(target, {{200, gate_json(Gate::go, "may go")}});
  EXPECT_EQ(ask(words), Exit::done);
  EXPECT_THAT(console.said, HasSubstr("go: may go"));
  stub.answer(target, {{200, gate_json(Gate::stop, "was rolled back")}});
  EXPECT_EQ(ask(words), Exit::failed);
  stub.answer(target, {{200, gate_json(Gate::not_yet, "being watched")}});
  EXPECT_EQ(ask(words), Exit::not_yet);
}

TEST_F(Commands, GateNeverSaysStopForTroubleOfItsOwn) {
  const std::string target = "/api/v1/gates/shop/v?stage=0";
  for (const auto& reply : {problem(500, "internal", "Oh", ""), problem(404, "not_found", "No", ""),
                            ApiStub::Reply{404, "<html>"}, ApiStub::Reply{0, ""}}) {
    stub.answer(target, {reply});
    EXPECT_EQ(ask({"gate", "shop@v", "--stage", "0"}), Exit::not_yet);
  }
  stub.answer(target, {problem(403, "forbidden", "No", "")});
  EXPECT_EQ(ask({"gate", "shop@v", "--stage", "0"}), Exit::not_allowed);
  stub.answer(target, {problem(400, "bad_request", "No such stage", "")});
  EXPECT_EQ(ask({"gate", "shop@v", "--stage", "0"}), Exit::usage);
  EXPECT_EQ(ask({"gate", "shop", "--stage", "0"}), Exit::usage);
}

TEST_F(Commands, AGateThatCouldNotSayGoHasNotSaidStop) {
  using Gate = core::Fold::Gate;
  const std::string target = "/api/v1/gates/shop/v?stage=0";
  console.broken = true;
  stub.answer(target, {{200, gate_json(Gate::go, "may go")}});
  EXPECT_EQ(ask({"gate", "shop@v", "--stage", "0"}), Exit::not_yet);
  stub.answer(target, {{200, gate_json(Gate::stop, "was rolled back")}});
  EXPECT_EQ(ask({"gate", "shop@v", "--stage", "0"}), Exit::failed);
}

TEST_F(Commands, GateWaitsForAnAnswerThatIsFinal) {
  using Gate = core::Fold::Gate;
  stub.answer("/api/v1/gates/shop/v?stage=0", {{200, gate_json(Gate::not_yet, "being watched")},
                                               problem(503, "catching_up", "Soon", "wait"),
                                               {200, gate_json(Gate::go, "may go")}});
  EXPECT_EQ(ask({"gate", "shop@v", "--stage", "0", "--wait", "30s"}), Exit::done);
  EXPECT_EQ(stub.asked().size(), 3u);
  EXPECT_EQ(ask({"gate", "shop@v", "--stage", "0", "--wait", "soon"}), Exit::usage);
}

TEST(CommandsAlone, AnAggregatorThatIsAwayIsNoAnswer) {
  const TemporaryFolder folder;
  const std::string config = folder.write("serinctl.toml", "");
  std::string url;
  {
    const ApiStub gone;
    url = gone.url();
  }
  StringConsole console;
  EXPECT_EQ(serinctl({"--config", config, "--api", url, "status"}, console), Exit::not_yet);
  EXPECT_THAT(console.complained, AllOf(HasSubstr(url), HasSubstr("is serin-aggregator running")));
  EXPECT_EQ(serinctl({"--config", config, "--api", "gopher://x", "status"}, console), Exit::usage);
}

TEST(SettingsFile, IsReadStrictlyAndTheCommandLineWins) {
  const TemporaryFolder folder;
  const auto token = folder.write("token", "abc");
  const auto file = folder.write("serinctl.toml",
                                 "[api]\nurl = \"http://a:1/\"\ntoken_file = \"" + token.native() +
                                     "\"\n[nats]\nurl = [\"nats://n:1\", \"nats://m:1\"]\n"
                                     "credentials = \"/x.creds\"\n");
  auto settings = load_settings({.config = file});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->api, "http://a:1");
  EXPECT_EQ(settings->token, "abc");
  EXPECT_EQ(settings->nats.size(), 2u);
  EXPECT_EQ(settings->credentials, "/x.creds");
  settings = load_settings({.config = file, .api = "http://b:2"});
  EXPECT_EQ(settings->api, "http://b:2");

  settings = load_settings({.config = folder.write("bad.toml", "[api]\nurls = \"x\"\n")});
  ASSERT_FALSE(settings);
  EXPECT_THAT(settings.error().message, AllOf(HasSubstr("bad.toml:2"), HasSubstr("'url'")));
  EXPECT_FALSE(load_settings({.config = folder.path() / "none.toml"}));
  EXPECT_FALSE(load_settings({.config = file, .token_file = folder.write("two", "a b")}));
}

TEST(PolicyCheckCommand, NamesWhatIsWrongWithItsPlace) {
  const TemporaryFolder folder;
  StringConsole console;
  const auto good = folder.write("a.toml",
                                 "[nats]\nurl = \"x\"\n[policy.default]\n"
                                 "watch_window = \"45s\"\n[policy.shop]\nmode = \"observe\"\n");
  EXPECT_EQ(serinctl({"policy", "check", good}, console), Exit::done) << console.complained;
  EXPECT_THAT(console.said, HasSubstr("shop"));
  const auto bad = folder.write("b.toml", "[policy.default]\nwatch_windw = \"45s\"\n");
  EXPECT_EQ(serinctl({"policy", "check", bad}, console), Exit::failed);
  EXPECT_THAT(console.complained, AllOf(HasSubstr("b.toml:2"), HasSubstr("watch_window")));
  EXPECT_EQ(serinctl({"policy", "check", folder.write("c.toml", "")}, console), Exit::failed);
}

}  // namespace
}  // namespace serin::ctl
