#include "tests/unit/api/fixture.h"

namespace serin::aggregator {
namespace {

TEST_F(ApiTest, ListsServicesAndHosts) {
  view_.services_.push_back({.name = "api", .settled = {"v1"}, .hosts = 6});
  core::HostView host;
  host.host = "web-07";
  host.service = "api";
  view_.hosts_.push_back(host);
  const Answer services = get("/api/v1/services");
  EXPECT_EQ(services.status, 200);
  EXPECT_EQ(services.headers.at("Content-Type"), "application/json");
  EXPECT_EQ(services.headers.at("Cache-Control"), "no-store");
  EXPECT_EQ(Json::parse(services.body)["services"][0]["name"], "api");
  EXPECT_EQ(Json::parse(get("/api/v1/hosts?service=api").body)["hosts"].size(), 1u);
  EXPECT_EQ(Json::parse(get("/api/v1/hosts?service=other").body)["hosts"].size(), 0u);
}

TEST_F(ApiTest, ShowsAllFactsOfAHostOnRequest) {
  for (const char* name : {"web-07", "web-08"}) {
    core::HostView host;
    host.host = name;
    host.service = "api";
    host.facts = {{"kernel.release", "6.1.0"}};
    view_.hosts_.push_back(host);
  }
  EXPECT_TRUE(Json::parse(get("/api/v1/hosts").body)["hosts"][0]["facts"].empty());
  const Json all = Json::parse(get("/api/v1/hosts?facts=all&host=web-08").body)["hosts"];
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["host"], "web-08");
  EXPECT_EQ(all[0]["facts"]["kernel.release"], "6.1.0");
  EXPECT_EQ(get("/api/v1/hosts?facts=some").status, 400);
}

TEST_F(ApiTest, ShowsOneDeployItsEvidenceAndItsTimeline) {
  const Json deploy = Json::parse(get("/api/v1/deploys/api-1").body);
  EXPECT_EQ(deploy["id"], "api-1");
  EXPECT_FALSE(deploy["metrics"][0].contains("series"));
  EXPECT_EQ(Json::parse(get("/api/v1/deploys/api-1/evidence").body)["metrics"][0]["series"].size(),
            1u);
  EXPECT_EQ(Json::parse(get("/api/v1/deploys/api-1/timeline").body)["timeline"][0]["kind"],
            "detected");
  const Answer missing = get("/api/v1/deploys/none");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(code(missing), "not_found");
}

TEST_F(ApiTest, PagesThroughDeploysInOrder) {
  for (int i = 2; i <= 5; ++i) view_.add_deploy("api-" + std::to_string(i));
  const Json first = Json::parse(get("/api/v1/deploys?limit=2").body);
  EXPECT_EQ(first["deploys"].size(), 2u);
  EXPECT_EQ(first["next_cursor"], "api-2");
  const Json second = Json::parse(get("/api/v1/deploys?limit=2&cursor=api-2").body);
  EXPECT_EQ(second["deploys"][0]["id"], "api-3");
  const Json last = Json::parse(get("/api/v1/deploys?limit=2&cursor=api-4").body);
  EXPECT_EQ(last["deploys"].size(), 1u);
  EXPECT_TRUE(last["next_cursor"].is_null());
}

TEST_F(ApiTest, FiltersDeploysByServiceAndState) {
  view_.add_deploy("web-1", core::DeployState::recovered, "web");
  EXPECT_EQ(Json::parse(get("/api/v1/deploys?service=web").body)["deploys"][0]["id"], "web-1");
  EXPECT_EQ(Json::parse(get("/api/v1/deploys?state=recovered").body)["deploys"].size(), 1u);
  EXPECT_EQ(Json::parse(get("/api/v1/deploys?state=passed").body)["deploys"].size(), 0u);
}

TEST_F(ApiTest, RefusesParametersThatItDoesNotKnow) {
  for (const char* target :
       {"/api/v1/deploys?limit=0", "/api/v1/deploys?limit=201", "/api/v1/deploys?limit=x",
        "/api/v1/deploys?state=fine", "/api/v1/deploys?cursor=gone", "/api/v1/deploys?sort=x",
        "/api/v1/services?x=1", "/api/v1/hosts?service=UPPER", "/api/v1/status?a",
        "/api/v1/deploys?limit=2&limit=3"}) {
    const Answer answer = get(target);
    EXPECT_EQ(answer.status, 400) << target;
    EXPECT_EQ(code(answer), "bad_request") << target;
    EXPECT_FALSE(Json::parse(answer.body)["errors"].empty()) << target;
  }
}

TEST_F(ApiTest, TheGateAnswersInOneWord) {
  const Json gate = Json::parse(get("/api/v1/gates/api/v2?stage=2").body);
  EXPECT_EQ(gate["gate"], "stop");
  EXPECT_EQ(gate["text"], "api v2 2");
  EXPECT_EQ(Json::parse(get("/api/v1/gates/api/feature%2Fx%20y").body)["text"],
            "api feature/x y 0");
  EXPECT_EQ(Json::parse(get("/api/v1/gates/api/v2?stage=25%25").body)["text"], "api v2 2")
      << "a stage may be named as the policy writes it";
  EXPECT_EQ(Json::parse(get("/api/v1/gates/api/v2?stage=1%20host").body)["text"], "api v2 0");
  EXPECT_EQ(code(get("/api/v1/gates/api/v2?stage=7%25")), "bad_request");
  EXPECT_EQ(code(get("/api/v1/gates/api/v2?stage=4")), "bad_request");
  EXPECT_EQ(code(get("/api/v1/gates/api/v2?stage=-1")), "bad_request");
  EXPECT_EQ(code(get("/api/v1/gates/UPPER/v2")), "bad_request");
}

TEST_F(ApiTest, TheGateSaysNothingFromHalfAStream) {
  view_.caught_up_ = false;
  EXPECT_EQ(code(get("/api/v1/gates/api/v2")), "catching_up");
  view_.caught_up_ = true;
  view_.connected_ = false;
  const Answer answer = get("/api/v1/gates/api/v2");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(code(answer), "bus_unavailable");
}

TEST_F(ApiTest, HealthIsTheLoopsAndReadinessTheStreams) {
  view_.caught_up_ = false;
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_EQ(code(call("GET", "/readyz")), "catching_up");
  view_.caught_up_ = true;
  EXPECT_EQ(call("GET", "/readyz").status, 200);
  view_.connected_ = false;
  EXPECT_EQ(code(call("GET", "/readyz")), "bus_unavailable");
  EXPECT_EQ(call("GET", "/healthz").status, 200);
}

TEST_F(ApiTest, StatusShowsCountersAndWarnings) {
  view_.counters_.gaps = 7;
  view_.shell_.unreadable = 3;
  view_.warnings_ = {"the disk is full"};
  const Json status = Json::parse(get("/api/v1/status").body);
  EXPECT_EQ(status["connected"], true);
  EXPECT_EQ(status["caught_up"], true);
  EXPECT_EQ(status["counters"]["gaps"], 7);
  EXPECT_EQ(status["counters"]["unreadable"], 3);
  EXPECT_EQ(status["warnings"][0], "the disk is full");
  EXPECT_EQ(status["now"], "2026-11-20T12:00:00.000000Z");
}

TEST_F(ApiTest, MetricsAreWhatPrometheusReads) {
  view_.counters_.samples = 12;
  view_.counters_.gaps = 2;
  view_.shell_.sinks.push_back({.name = "chat", .delivered = 5});
  core::ServiceView service{.name = "api", .settled = {}, .condemned = {}, .hosts = 6};
  service.versions = {{"v\"1\\", 5}};
  service.placebos = {{.metric = "errors", .runs = 114, .fired = 3, .widening = 1.5, .advisory = true},
                      {.metric = "fds", .runs = 114}};
  view_.services_.push_back(service);
  get("/nowhere");
  const Answer answer = get("/metrics");
  EXPECT_EQ(answer.headers.at("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line :
       {"serin_input_messages_total{kind=\"sample\"} 12\n", "serin_input_gaps_total 2\n",
        "serin_bus_connected 1\n", "serin_notifications_delivered_total{sink=\"chat\"} 5\n",
        "serin_deploys{state=\"watching\"} 1\n",
        "serin_service_hosts{service=\"api\",version=\"v\\\"1\\\\\"} 5\n",
        "serin_placebo_runs_total{service=\"api\",metric=\"fds\"} 114\n",
        "serin_placebo_fired_total{service=\"api\",metric=\"errors\"} 3\n",
        "serin_metric_widening{service=\"api\",metric=\"errors\"} 1.5\n",
        "serin_metric_advisory{service=\"api\",metric=\"errors\"} 1\n",
        "serin_http_answers_total{status=\"404\"} 1\n",
        "# TYPE serin_input_gaps_total counter\n"}) {
    EXPECT_NE(answer.body.find(line), std::string::npos) << line << answer.body;
  }
}

TEST_F(ApiTest, HeadIsGetWithoutABody) {
  const Answer answer = call("HEAD", "/api/v1/deploys", {"Authorization: Bearer secret-view"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body.empty());
}

TEST_F(ApiTest, OtherMethodsAreNamed) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"}) {
    const Answer answer = call(method, "/api/v1/deploys", {"Authorization: Bearer secret-view"});
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(code(answer), "method_not_allowed");
    EXPECT_EQ(answer.headers.at("Allow"), "GET, HEAD");
  }
  const Answer answer =
      call("GET", "/api/v1/deploys/api-1/rollback", {"Authorization: Bearer secret-anna"});
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.at("Allow"), "POST");
}

TEST_F(ApiTest, OtherAddressesAreNotFound) {
  for (const char* target :
       {"/", "/api", "/api/v1", "/api/v2/deploys", "/api/v1/deploys/api-1/x", "/api/v1/deploys/",
        "//api/v1/deploys", "/api/v1/gates/api", "/API/V1/deploys", "/healthz/x",
        "/api/v1/deploys/api-1/rollback/now", "/api/v1/deploys/../services"}) {
    const Answer answer = get(target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(code(answer), "not_found") << target;
  }
}

TEST_F(ApiTest, ReadingNeedsAToken) {
  for (const char* target : {"/api/v1/deploys", "/metrics", "/api/v1/status"}) {
    const Answer none = call("GET", target);
    EXPECT_EQ(none.status, 401) << target;
    EXPECT_EQ(code(none), "unauthenticated");
    EXPECT_EQ(none.headers.at("WWW-Authenticate"), "Bearer realm=\"serin\"");
    EXPECT_EQ(code(get(target, "wrong")), "unauthenticated");
    EXPECT_EQ(get(target).status, 200);
    EXPECT_EQ(get(target, "secret-anna").status, 200) << "an operator may read";
  }
}

TEST_F(ApiTest, WithoutTokensLocalhostReadsAndNobodyActs) {
  serve(false);
  EXPECT_EQ(call("GET", "/api/v1/deploys").status, 200);
  EXPECT_EQ(call("GET", "/metrics").status, 200);
  const Answer answer =
      call("POST", "/api/v1/deploys/api-1/rollback", {"Idempotency-Key: k"}, "{}");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(code(answer), "forbidden");
  EXPECT_TRUE(published_.empty());
}

TEST_F(ApiTest, WithoutTokensAForeignNameOfLocalhostReadsNothing) {
  serve(false);
  for (const char* host :
       {"evil.example:8420", "127.0.0.1.evil.example:8420", "127.evil.example", "128.0.0.1",
        "localhost.evil.example", "[::1].evil.example", "[::2]:8420"}) {
    const std::string header = std::string("Host: ") + host;
    EXPECT_EQ(code(call("GET", "/api/v1/deploys", {header})), "forbidden") << host;
  }
  for (const char* host :
       {"localhost:8420", "[::1]:8420", "[::1]", "127.0.0.1", "127.0.0.1:8420", "127.8.9.10:1"}) {
    const std::string header = std::string("Host: ") + host;
    EXPECT_EQ(call("GET", "/api/v1/deploys", {header}).status, 200) << host;
  }
}

}  // namespace
}  // namespace serin::aggregator
