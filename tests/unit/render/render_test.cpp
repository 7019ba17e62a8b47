#include "aggregator/render/render.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "aggregator/render/time.h"

namespace serin::render {
namespace {

using Json = nlohmann::json;

constexpr int64_t kNoonUs = 1'795'176'000'250'000;  // 2026-11-20T12:00:00.25Z

core::DeployView full_deploy() {
  core::DeployView view;
  view.id = "api-9xk2";
  view.service = "api";
  view.version = "v2";
  view.previous = "v1";
  view.attempt = 2;
  view.state = core::DeployState::rolling_back;
  view.verdict = "rollback";
  view.opened_us = kNoonUs;
  view.window_ends_us = kNoonUs + 600'000'000;
  view.decided_us = kNoonUs + 4'000'000;
  view.first_bad_us = kNoonUs + 1'000'000;
  view.irreversible = true;
  view.reason = {.kind = ReasonKind::evidence,
                 .metric = "errors",
                 .canary = 0.041,
                 .baseline = 0.003,
                 .effect = 13.7,
                 .log_evidence = 9.39,
                 .threshold = 6.86,
                 .host = "",
                 .text = "errors 4.1 %"};
  view.hosts = {{.host = "web-07",
                 .from = "v1",
                 .joined_us = kNoonUs,
                 .target = "v1",
                 .step = "switched",
                 .reason = "",
                 .commanded_us = kNoonUs + 4'100'000}};
  view.baseline_hosts = {"web-01", "web-02"};
  core::MetricView metric{
      .metric = "errors", .host = "", .process = "RE", .canary = 0.041, .baseline = 0.003};
  metric.log_evidence = 9.39;
  metric.threshold = 6.86;
  metric.series = {
      {.at_us = kNoonUs + 1'000'000, .log_evidence = 1.5, .threshold = 6.86, .canary = 0.04}};
  view.metrics = {metric};
  view.timeline = {{.at_us = kNoonUs, .kind = "detected", .host = "web-07", .text = "v2 started"}};
  view.canary_requests = 1000;
  view.canary_errors = 41;
  view.requests_harmed = 41;
  return view;
}

TEST(Time, IsRfc3339InUtcWithMicroseconds) {
  EXPECT_EQ(rfc3339(kNoonUs), "2026-11-20T12:00:00.250000Z");
  EXPECT_EQ(rfc3339(1), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(rfc3339(951'782'400'000'000), "2000-02-29T00:00:00.000000Z");
}

TEST(Time, OutsideTheCalendarIsClampedAndStaysATime) {
  EXPECT_EQ(rfc3339(std::numeric_limits<int64_t>::min()), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(rfc3339(std::numeric_limits<int64_t>::max()), "9999-12-31T23:59:59.999999Z");
}

TEST(Deploy, HoldsEveryFieldOfItsView) {
  const Json json = Json::parse(deploy(full_deploy()));
  EXPECT_EQ(json["id"], "api-9xk2");
  EXPECT_EQ(json["attempt"], 2);
  EXPECT_EQ(json["state"], "rolling_back");
  EXPECT_EQ(json["verdict"], "rollback");
  EXPECT_EQ(json["opened"], "2026-11-20T12:00:00.250000Z");
  EXPECT_EQ(json["window_ends"], "2026-11-20T12:10:00.250000Z");
  EXPECT_TRUE(json["ended"].is_null()) << "0 means never";
  EXPECT_EQ(json["irreversible"], true);
  EXPECT_EQ(json["reason"]["kind"], "evidence");
  EXPECT_NEAR(json["reason"]["evidence"].get<double>(), std::exp(9.39), 1);
  EXPECT_EQ(json["hosts"][0]["step"], "switched");
  EXPECT_TRUE(json["hosts"][0]["restored"].is_null());
  EXPECT_EQ(json["baseline_hosts"].size(), 2u);
  EXPECT_EQ(json["metrics"][0]["process"], "RE");
  EXPECT_FALSE(json["metrics"][0].contains("series")) << "the series is the evidence's";
  EXPECT_EQ(json["timeline"][0]["kind"], "detected");
  EXPECT_EQ(json["canary_requests"], 1000);
  EXPECT_EQ(json["canary_errors"], 41);
  EXPECT_EQ(json["requests_harmed"], 41);
  for (const char* key : {"service", "version", "previous", "decided", "first_bad", "same_name",
                          "held", "incomplete"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
}

TEST(Deploy, EvidenceHoldsTheSeries) {
  const Json json = Json::parse(evidence(full_deploy()));
  ASSERT_EQ(json["metrics"][0]["series"].size(), 1u);
  const Json& point = json["metrics"][0]["series"][0];
  EXPECT_EQ(point["at"], "2026-11-20T12:00:01.250000Z");
  EXPECT_EQ(point["canary"], 0.04);
  EXPECT_TRUE(point["baseline"].is_null()) << "absent is null";
}

TEST(Deploy, NumbersThatAreNoneBecomeNull) {
  auto view = full_deploy();
  view.metrics[0].effect = std::numeric_limits<double>::infinity();
  view.metrics[0].log_evidence = std::numeric_limits<double>::quiet_NaN();
  view.reason.log_evidence = 5000;
  const Json json = Json::parse(deploy(view));
  EXPECT_TRUE(json["metrics"][0]["effect"].is_null());
  EXPECT_TRUE(json["metrics"][0]["evidence"].is_null());
  EXPECT_EQ(json["reason"]["evidence"], 1e300) << "capped";
}

TEST(Deploy, BytesThatAreNoTextDoNotBreakTheAnswer) {
  auto view = full_deploy();
  view.reason.text = "\xff\xfe broken";
  EXPECT_TRUE(Json::accept(deploy(view)));
}

TEST(Lists, AreNamedAndMayBeEmpty) {
  EXPECT_EQ(services({}), R"({"services":[]})");
  EXPECT_EQ(hosts({}), R"({"hosts":[]})");
  EXPECT_EQ(deploys({}, std::nullopt), R"({"deploys":[],"next_cursor":null})");
  EXPECT_EQ(Json::parse(deploys({full_deploy()}, "api-9xk2"))["next_cursor"], "api-9xk2");
  EXPECT_EQ(Json::parse(timeline(full_deploy()))["timeline"].size(), 1u);
}

TEST(Lists, AHostSaysWhatItSeesAndWhatNot) {
  core::HostView view;
  view.host = "web-07.example";
  view.service = "api";
  view.version = "v2";
  view.interval_us = 1'000'000;
  view.phase = Phase::starting;
  view.gaps = 3;
  view.absent = {{"fds", "permission denied"}};
  const Json host = Json::parse(hosts({view}))["hosts"][0];
  EXPECT_EQ(host["interval"], 1.0);
  EXPECT_EQ(host["phase"], "starting");
  EXPECT_EQ(host["gaps"], 3);
  EXPECT_TRUE(host["selected"].is_null());
  EXPECT_TRUE(host["last_heard"].is_null());
  EXPECT_EQ(host["absent"][0]["reason"], "permission denied");
}

TEST(Lists, AServiceCountsItsVersions) {
  core::ServiceView view{.name = "api", .settled = {"v1"}, .condemned = {"v2"}, .hosts = 6};
  view.versions = {{"v1", 5}, {"v2", 1}};
  const Json service = Json::parse(services({view}))["services"][0];
  EXPECT_EQ(service["versions"][0]["version"], "v1");
  EXPECT_EQ(service["versions"][0]["hosts"], 5);
  EXPECT_EQ(service["condemned"][0], "v2");
}

TEST(Lists, AServiceShowsWhatItsUntouchedHostsHaveShown) {
  core::ServiceView view{.name = "api", .settled = {"v1"}, .condemned = {}, .hosts = 6};
  view.placebos = {{.metric = "errors", .runs = 200, .fired = 3, .runs_hour = 100, .fired_hour = 2,
                    .widening = 1.5, .advisory = true, .text = "errors is advisory"},
                   {.metric = "fds"}};
  const Json placebos = Json::parse(services({view}))["services"][0]["placebos"];
  EXPECT_EQ(placebos[0]["metric"], "errors");
  EXPECT_EQ(placebos[0]["runs"], 200);
  EXPECT_DOUBLE_EQ(placebos[0]["rate"], .015);
  EXPECT_DOUBLE_EQ(placebos[0]["rate_hour"], .02);
  EXPECT_DOUBLE_EQ(placebos[0]["widening"], 1.5);
  EXPECT_EQ(placebos[0]["advisory"], true);
  EXPECT_EQ(placebos[0]["text"], "errors is advisory");
  EXPECT_TRUE(placebos[1]["rate"].is_null()) << "no run ended: no rate";
}

TEST(Problem, FollowsRfc9457) {
  const Json json = Json::parse(problem({.status = 409,
                                         .code = "deploy_ended",
                                         .title = "The deploy has ended",
                                         .detail = "what to do",
                                         .instance = "/api/v1/deploys/x"}));
  EXPECT_EQ(json["type"], "urn:serin:problem:deploy_ended");
  EXPECT_EQ(json["status"], 409);
  EXPECT_FALSE(json.contains("errors"));
}

core::Notification rollback_notification() {
  core::Notification n;
  n.effect_id = "api-9xk2/rollback//1";
  n.kind = "rollback";
  n.deploy = "api-9xk2";
  n.service = "api";
  n.version = "v2";
  n.hosts = {"web-07"};
  n.at_us = kNoonUs;
  n.reason = full_deploy().reason;
  n.text = "api v2 rolled back on web-07 <5xx & more>";
  return n;
}

TEST(Notification, AWebhookHoldsTheNumbersAndTheWords) {
  const Json json = Json::parse(webhook_body(rollback_notification(), ""));
  EXPECT_EQ(json["kind"], "rollback");
  EXPECT_EQ(json["hosts"][0], "web-07");
  EXPECT_EQ(json["at"], "2026-11-20T12:00:00.250000Z");
  EXPECT_EQ(json["reason"]["effect"], 13.7);
  EXPECT_TRUE(json["url"].is_null());
}

TEST(Notification, SlackTextIsEscapedAndLinked) {
  const Json json =
      Json::parse(slack_body(rollback_notification(), "https://serin/api/v1/deploys/api-9xk2"));
  EXPECT_EQ(json["text"],
            "api v2 rolled back on web-07 &lt;5xx &amp; more&gt; · "
            "<https://serin/api/v1/deploys/api-9xk2|details>");
}

TEST(Replay, IsOneObjectAlsoWhenNothingWasFound) {
  EXPECT_EQ(replay({}), R"({"deploys":[],"lines":0,"skipped":[]})");
}

TEST(Replay, SpeaksInSecondsOfTheCapture) {
  auto view = full_deploy();
  view.opened_us = 300'200'000;
  view.decided_us = 304'000'000;
  const Json json = Json::parse(replay(
      {.deploys = {{view, "x.ndjson"}}, .lines = 12345, .skipped = {{"x.ndjson", 17, "no JSON"}}}));
  const Json& deploy = json["deploys"][0];
  EXPECT_EQ(deploy["started_at"], 300.2);
  EXPECT_EQ(deploy["decided_at"], 304.0);
  EXPECT_EQ(deploy["hosts"][0], "web-07");
  EXPECT_EQ(deploy["file"], "x.ndjson");
  EXPECT_EQ(deploy["reason"]["metric"], "errors");
  EXPECT_EQ(json["skipped"][0]["line"], 17);
  EXPECT_EQ(json["lines"], 12345);
}

TEST(Replay, UndecidedIsNullAndAGuardrailHasNoEvidence) {
  auto view = full_deploy();
  view.verdict.clear();
  view.decided_us = 0;
  view.reason = {};
  EXPECT_TRUE(Json::parse(replay({.deploys = {{view, "x"}}}))["deploys"][0]["verdict"].is_null());
  EXPECT_TRUE(Json::parse(replay({.deploys = {{view, "x"}}}))["deploys"][0]["reason"].is_null());
  view.reason = {.kind = ReasonKind::guardrail,
                 .metric = "crash_loop",
                 .effect = 2,
                 .log_evidence = 3,
                 .text = "x"};
  const Json reason = Json::parse(replay({.deploys = {{view, "x"}}}))["deploys"][0]["reason"];
  EXPECT_EQ(reason["kind"], "guardrail");
  EXPECT_TRUE(reason["evidence"].is_null());
  EXPECT_TRUE(reason["effect"].is_null());
}

}  // namespace
}  // namespace serin::render
