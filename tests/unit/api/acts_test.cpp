#include "tests/unit/api/fixture.h"

namespace serin::aggregator {
namespace {

TEST_F(ApiTest, AnActIsAnsweredOnceItIsStored) {
  hold_publishes_ = true;
  auto answer = call_async(server_->port(), "POST", "/api/v1/deploys/api-1/rollback",
                           {"Authorization: Bearer secret-anna", "Idempotency-Key: key-1"},
                           R"({"reason":"customers call"})");
  ASSERT_TRUE(run_until(loop_, [&] { return held_.size() == 1; }));
  EXPECT_EQ(answer.wait_for(std::chrono::milliseconds(0)), std::future_status::timeout)
      << "not before it is stored";
  held_[0]({});
  const Answer got = wait_for(loop_, std::move(answer));
  EXPECT_EQ(got.status, 202);
  const Json act = Json::parse(got.body)["act"];
  EXPECT_EQ(act["deploy"], "api-1");
  EXPECT_EQ(act["kind"], "rollback");
  EXPECT_EQ(act["accepted_at"], "2026-11-20T12:00:00.000000Z");
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_EQ(published_[0].kind, ControlKind::act);
  EXPECT_EQ(published_[0].act, Act::rollback);
  EXPECT_EQ(published_[0].service, "api");
  EXPECT_EQ(published_[0].deploy, "api-1");
  EXPECT_EQ(published_[0].actor, "anna");
  EXPECT_EQ(published_[0].reason, "customers call");
  EXPECT_EQ(published_[0].id, act["id"]);
}

TEST_F(ApiTest, EachActHasItsAddress) {
  EXPECT_EQ(act("/api/v1/deploys/api-1/pass", "a").status, 202);
  EXPECT_EQ(act("/api/v1/deploys/api-1/hold", "b").status, 202);
  view_.deploys_[0].held = true;
  EXPECT_EQ(act("/api/v1/deploys/api-1/release", "c", "").status, 202) << "a body is not needed";
  EXPECT_EQ(act("/api/v1/deploys/api-1/rollback", "d", R"({"host":"web-07"})").status, 202);
  ASSERT_EQ(published_.size(), 4u);
  EXPECT_EQ(published_[0].act, Act::pass);
  EXPECT_EQ(published_[1].act, Act::hold);
  EXPECT_EQ(published_[2].act, Act::release);
  EXPECT_EQ(published_[3].host, "web-07");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/absolve", "e")), "not_found");
}

TEST_F(ApiTest, TheSameKeyIsTheSameActAlsoAfterARestart) {
  const Answer first = act("/api/v1/deploys/api-1/rollback", "key-1", R"({"reason":"x"})");
  wall_us_ += 5'000'000;
  const Answer second = act("/api/v1/deploys/api-1/rollback", "key-1", R"({"reason":"x"})");
  EXPECT_EQ(second.status, 202);
  EXPECT_EQ(second.body, first.body);
  serve();
  EXPECT_EQ(act("/api/v1/deploys/api-1/rollback", "key-1", R"({"reason":"x"})").body, first.body);
  EXPECT_EQ(published_.size(), 1u);
}

TEST_F(ApiTest, TheSameKeyForAnotherRequestIsAMismatch) {
  ASSERT_EQ(act("/api/v1/deploys/api-1/rollback", "key-1", R"({"reason":"x"})").status, 202);
  view_.add_deploy("api-2");
  for (const auto& [target, body] : std::vector<std::pair<std::string, std::string>>{
           {"/api/v1/deploys/api-1/rollback", R"({"reason":"y"})"},
           {"/api/v1/deploys/api-1/hold", R"({"reason":"x"})"},
           {"/api/v1/deploys/api-2/rollback", R"({"reason":"x"})"}}) {
    const Answer answer = act(target, "key-1", body);
    EXPECT_EQ(answer.status, 422);
    EXPECT_EQ(code(answer), "idempotency_mismatch") << target << body;
  }
  EXPECT_EQ(published_.size(), 1u);
}

TEST_F(ApiTest, AKeyIsForgottenAfterADay) {
  ASSERT_EQ(act("/api/v1/deploys/api-1/rollback", "key-1").status, 202);
  wall_us_ += Store::kActLifeUs + 1;
  ASSERT_EQ(act("/api/v1/deploys/api-1/rollback", "key-1", R"({"reason":"y"})").status, 202);
  EXPECT_EQ(published_.size(), 2u);
}

TEST_F(ApiTest, TheSameKeyWhileTheFirstWaitsIsAnsweredTogetherWithIt) {
  patience_ms_ = 20'000;  // longer than any busy machine takes for three requests
  serve();
  hold_publishes_ = true;
  const std::vector<std::string> headers{"Authorization: Bearer secret-anna",
                                         "Idempotency-Key: key-1"};
  auto first = call_async(server_->port(), "POST", "/api/v1/deploys/api-1/rollback", headers, "{}");
  ASSERT_TRUE(run_until(loop_, [&] { return held_.size() == 1; }));
  const Answer other = act("/api/v1/deploys/api-1/hold", "key-1");
  EXPECT_EQ(code(other), "idempotency_mismatch");
  auto second =
      call_async(server_->port(), "POST", "/api/v1/deploys/api-1/rollback", headers, "{}");
  const unsigned before = server_->connections();
  ASSERT_TRUE(run_until(
      loop_, [&] { return server_->connections() > before || server_->connections() >= 2; }));
  ASSERT_TRUE(run_until(loop_, [turns = 0]() mutable { return ++turns > 20; }));
  held_[0]({});
  EXPECT_EQ(wait_for(loop_, std::move(first)).status, 202);
  EXPECT_EQ(wait_for(loop_, std::move(second)).status, 202);
  EXPECT_EQ(published_.size(), 1u);
}

TEST_F(ApiTest, TheBusMayStumbleForAMoment) {
  bus_answer_ = fail("no responders");
  auto answer = call_async(server_->port(), "POST", "/api/v1/deploys/api-1/hold",
                           {"Authorization: Bearer secret-anna", "Idempotency-Key: k"}, "{}");
  ASSERT_TRUE(run_until(loop_, [&] { return published_.size() >= 3; }));
  bus_answer_ = {};
  EXPECT_EQ(wait_for(loop_, std::move(answer)).status, 202);
  for (const Control& control : published_)
    EXPECT_EQ(control.id, published_[0].id) << "a repeat is recognisable";
}

TEST_F(ApiTest, ABusThatStaysAwayIsA503AndNothingIsPublishedAfterwards) {
  bus_answer_ = fail("not connected");
  const Answer answer = act("/api/v1/deploys/api-1/rollback", "key-1");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(code(answer), "bus_unavailable");
  EXPECT_NE(Json::parse(answer.body)["detail"].get<std::string>().find("not connected"),
            std::string::npos);
  EXPECT_EQ(desk_->pending(), 0u);
  const size_t attempts = published_.size();
  ASSERT_TRUE(run_until(loop_, [turns = 0]() mutable { return ++turns > 50; }));
  EXPECT_EQ(published_.size(), attempts) << "an act must not happen long after its 503";
  bus_answer_ = {};
  EXPECT_EQ(act("/api/v1/deploys/api-1/rollback", "key-1").status, 202) << "the key is free again";
}

TEST_F(ApiTest, ABusThatNeverAnswersIsA503AndItsLateAnswerHarmless) {
  hold_publishes_ = true;
  const Answer answer = act("/api/v1/deploys/api-1/rollback", "key-1");
  EXPECT_EQ(answer.status, 503);
  ASSERT_EQ(held_.size(), 1u);
  held_[0]({});
  EXPECT_EQ(desk_->pending(), 0u);
}

TEST_F(ApiTest, AClientThatLeavesWhileItsActWaitsDoesNoHarm) {
  hold_publishes_ = true;
  wait_for(loop_, std::async(std::launch::async, [port = server_->port()] {
             RawConnection connection(port);
             return connection.send(
                 "POST /api/v1/deploys/api-1/hold HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                 "secret-anna\r\n"
                 "Idempotency-Key: k\r\nContent-Length: 2\r\n\r\n{}");
           }));
  ASSERT_TRUE(run_until(loop_, [&] { return held_.size() == 1; }));
  held_[0]({});
  ASSERT_TRUE(run_until(loop_, [&] { return server_->connections() == 0; }));
  EXPECT_EQ(call("GET", "/healthz").status, 200);
}

TEST_F(ApiTest, StoppingAnswersWhatStillWaits) {
  hold_publishes_ = true;
  auto answer = call_async(server_->port(), "POST", "/api/v1/deploys/api-1/hold",
                           {"Authorization: Bearer secret-anna", "Idempotency-Key: k"}, "{}");
  ASSERT_TRUE(run_until(loop_, [&] { return held_.size() == 1; }));
  stop();
  EXPECT_EQ(wait_for(loop_, std::move(answer)).status, 503);
  held_[0]({});
}

TEST_F(ApiTest, AKeyIsRequired) {
  const Answer answer =
      call("POST", "/api/v1/deploys/api-1/rollback", {"Authorization: Bearer secret-anna"}, "{}");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(code(answer), "bad_request");
  EXPECT_EQ(Json::parse(answer.body)["errors"][0]["field"], "Idempotency-Key");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/rollback", std::string(129, 'k'))), "bad_request");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/rollback", "a b")), "bad_request");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/rollback", "sch\xc3\xb6n")), "bad_request");
  EXPECT_TRUE(published_.empty());
}

TEST_F(ApiTest, AViewerMayNotAct) {
  const Answer answer = act("/api/v1/deploys/api-1/rollback", "k", "{}", "secret-view");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(code(answer), "forbidden");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/rollback", "k", "{}", "secret-nobody")),
            "unauthenticated");
  EXPECT_TRUE(published_.empty());
}

TEST_F(ApiTest, ABodyThatMakesNoSenseIsRefused) {
  const auto refused = [&](const std::string& body) {
    return code(act("/api/v1/deploys/api-1/rollback", "k", body));
  };
  for (const char* body : {"{", "[]", "null", "\"x\"", "{\"reason\":}", "{} {}", "\xff"}) {
    EXPECT_EQ(refused(body), "bad_request") << body;
  }
  EXPECT_EQ(refused(std::string(8000, '[')), "bad_request");
  for (const char* body :
       {R"({"reason":1})", R"({"reson":"x"})", R"({"host":"not there"})",
        R"({"reason":"a\u0000b"})", R"({"reason":"\u001b[31m"})", R"({"host":["web-07"]})"}) {
    EXPECT_EQ(refused(body), "unprocessable") << body;
  }
  EXPECT_EQ(refused(R"({"reason":")" + std::string(501, 'x') + R"("})"), "unprocessable");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/hold", "k", R"({"host":"web-07"})")), "unprocessable");
  EXPECT_TRUE(published_.empty());
}

TEST_F(ApiTest, WhatTheDeployCannotTakeIsRefused) {
  EXPECT_EQ(code(act("/api/v1/deploys/none/rollback", "k")), "not_found");
  auto& deploy = view_.deploys_[0];
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/release", "k")), "conflict");
  deploy.state = core::DeployState::rolling_back;
  deploy.verdict = "rollback";
  deploy.hosts[0].step = "accepted";
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/rollback", "k")), "conflict");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/pass", "k")), "conflict");
  deploy.ended_us = deploy.opened_us + 1;
  deploy.state = core::DeployState::recovered;
  const Answer answer = act("/api/v1/deploys/api-1/rollback", "k");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(code(answer), "deploy_ended");
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/hold", "k")), "deploy_ended");
  deploy.verdict = "pass";
  deploy.state = core::DeployState::passed;
  EXPECT_EQ(act("/api/v1/deploys/api-1/rollback", "k").status, 202)
      << "what has passed can still be put back";
}

TEST_F(ApiTest, WhileCatchingUpNobodyActs) {
  view_.caught_up_ = false;
  const Answer answer = act("/api/v1/deploys/api-1/rollback", "k");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(code(answer), "catching_up");
}

TEST_F(ApiTest, AFullDiskDoesNotStopAnAct) {
  store_->database().limit_pages(store_->database().pages());
  for (int i = 0; i < 40; ++i) {
    view_.deploys_[0].state = core::DeployState::watching;
    ASSERT_EQ(act("/api/v1/deploys/api-1/rollback", "key-" + std::to_string(i), R"({"reason":"x"})")
                  .status,
              202);
  }
  EXPECT_GT(store_->failures(), 0u) << "the disk was full";
  const size_t published = published_.size();
  EXPECT_EQ(act("/api/v1/deploys/api-1/rollback", "key-39", R"({"reason":"x"})").status, 202);
  EXPECT_EQ(published_.size(), published) << "the key is known from memory";
}

TEST_F(ApiTest, AFloodOfActsIsTurnedAway) {
  patience_ms_ = 20'000;
  serve();
  hold_publishes_ = true;
  std::vector<std::future<Answer>> calls;
  for (size_t i = 0; i < ActDesk::kMostPending; ++i) {
    calls.push_back(call_async(
        server_->port(), "POST", "/api/v1/deploys/api-1/hold",
        {"Authorization: Bearer secret-anna", "Idempotency-Key: k" + std::to_string(i)}, "{}"));
  }
  ASSERT_TRUE(run_until(loop_, [&] { return held_.size() == ActDesk::kMostPending; }));
  const Answer answer = act("/api/v1/deploys/api-1/hold", "one-more");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(code(answer), "rate_limited");
  for (auto& done : held_) done({});
  for (auto& call : calls) EXPECT_EQ(wait_for(loop_, std::move(call)).status, 202);
}

TEST_F(ApiTest, ADrillIsAskedForByHostAndService) {
  view_.hosts_.push_back({.host = "web-07", .service = "api"});
  const Answer got = act("/api/v1/drills", "d",
                         R"({"host":"web-07","service":"api","reason":"before the sale"})");
  ASSERT_EQ(got.status, 202) << got.body;
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_EQ(published_[0].kind, ControlKind::act);
  EXPECT_EQ(published_[0].act, Act::drill);
  EXPECT_EQ(published_[0].host, "web-07");
  EXPECT_EQ(published_[0].service, "api");
  EXPECT_EQ(published_[0].actor, "anna");
  EXPECT_EQ(published_[0].reason, "before the sale");
  const Json answer = Json::parse(got.body)["act"];
  EXPECT_EQ(answer["id"], published_[0].id) << "the drill's id is the act's";
  EXPECT_EQ(answer["kind"], "drill");
  EXPECT_TRUE(answer["deploy"].is_null());
}

TEST_F(ApiTest, ADrillThatMakesNoSenseIsRefusedAndNothingIsStored) {
  view_.hosts_.push_back({.host = "web-07", .service = "api"});
  for (const char* body :
       {"{}", R"({"host":"web-07"})", R"({"service":"api"})", R"({"host":"web-07","service":"A B"})",
        R"({"host":"web-08","service":"api"})", R"({"host":"web-07","service":"other"})",
        R"({"host":"web-07","service":"api","irreversible":true})"}) {
    const Answer got = act("/api/v1/drills", std::string("k") + std::to_string(published_.size()), body);
    EXPECT_EQ(got.status, 422) << body;
    EXPECT_EQ(code(got), "unprocessable") << body;
  }
  EXPECT_EQ(code(act("/api/v1/drills", "v", R"({"host":"web-07","service":"api"})", "secret-view")),
            "forbidden");
  EXPECT_TRUE(published_.empty());
}

TEST_F(ApiTest, TheSameKeyAsksForOneDrill) {
  view_.hosts_.push_back({.host = "web-07", .service = "api"});
  view_.hosts_.push_back({.host = "web-08", .service = "api"});
  const std::string body = R"({"host":"web-07","service":"api"})";
  const Answer first = act("/api/v1/drills", "d", body);
  EXPECT_EQ(act("/api/v1/drills", "d", body).body, first.body);
  EXPECT_EQ(code(act("/api/v1/drills", "d", R"({"host":"web-08","service":"api"})")),
            "idempotency_mismatch");
  EXPECT_EQ(published_.size(), 1u);
}

TEST_F(ApiTest, DrillsAreListedAndShown) {
  core::DrillView drill{.id = "d1", .service = "api", .host = "web-07", .version = "v2", .target = "v1"};
  drill.state = core::DrillState::drilled;
  drill.there_seconds = 1.9;
  drill.text = "there in 1.9 s, back in 2.1 s";
  view_.drills_ = {drill, {.id = "d2", .service = "shop", .host = "web-08"}};
  EXPECT_EQ(Json::parse(get("/api/v1/drills").body)["drills"].size(), 2u);
  EXPECT_EQ(Json::parse(get("/api/v1/drills?service=shop").body)["drills"][0]["id"], "d2");
  EXPECT_EQ(Json::parse(get("/api/v1/drills?host=web-07").body)["drills"][0]["id"], "d1");
  const Json one = Json::parse(get("/api/v1/drills/d1").body);
  EXPECT_EQ(one["state"], "drilled");
  EXPECT_EQ(one["there_seconds"], 1.9);
  EXPECT_TRUE(one["back_seconds"].is_null());
  EXPECT_EQ(code(get("/api/v1/drills/d3")), "not_found");
  EXPECT_EQ(code(get("/api/v1/drills?colour=red")), "bad_request");
}

TEST_F(ApiTest, AVersionIsDeclaredIrreversible) {
  const std::string address = "/api/v1/versions/api/1.4.3/declare";
  EXPECT_EQ(code(act(address, "a", "{}")), "unprocessable");
  EXPECT_EQ(code(act(address, "a", R"({"irreversible":"yes"})")), "unprocessable");
  ASSERT_EQ(act(address, "a", R"({"irreversible":true,"reason":"drops a column"})").status, 202);
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_EQ(published_[0].kind, ControlKind::declare);
  EXPECT_EQ(published_[0].service, "api");
  EXPECT_EQ(published_[0].version, "1.4.3");
  EXPECT_TRUE(published_[0].irreversible);
  EXPECT_EQ(code(act("/api/v1/versions/A%20B/1.4.3/declare", "b", R"({"irreversible":true})")),
            "bad_request");
}

TEST_F(ApiTest, OnlyAnAdminAbsolves) {
  EXPECT_EQ(code(act("/api/v1/versions/api/1.4.3/absolve", "a")), "forbidden");
  EXPECT_TRUE(published_.empty());
}

TEST_F(ApiTest, ARollbackThatNoHostHasAnsweredMayStillBePassed) {
  core::DeployView& deploy = view_.deploys_[0];
  deploy.state = core::DeployState::rolling_back;
  deploy.verdict = "rollback";
  EXPECT_EQ(act("/api/v1/deploys/api-1/pass", "a").status, 202);
  deploy.hosts[0].step = "accepted";
  EXPECT_EQ(code(act("/api/v1/deploys/api-1/pass", "b")), "conflict");
}

}  // namespace
}  // namespace serin::aggregator
