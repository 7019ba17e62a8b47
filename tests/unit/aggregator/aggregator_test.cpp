#include "aggregator/aggregator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/aggregator_support/fake_bus.h"
#include "tests/unit/aggregator_support/http_call.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin::aggregator {
namespace {

using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int64_t kNowUs = 1'795'176'000'000'000;

/// The whole shell with the real fold, in front of a bus that the test plays.
class AggregatorTest : public ::testing::Test {
 protected:
  AggregatorTest() {
    const auto made = SigningKey::generate();
    EXPECT_TRUE(made->save(folder_.path() / "signing.key").has_value());
    config_.bus.urls = {"nats://127.0.0.1:1"};
    config_.listen.port = 0;
    config_.state_dir = folder_.path();
    config_.signing_key = folder_.path() / "signing.key";
  }
  ~AggregatorTest() override { aggregator_.reset(); }

  Result<void> try_start() {
    aggregator_.reset();
    Aggregator::World world;
    world.wall_us = [this] { return wall_us_; };
    world.tick_ms = 5;
    world.on_start_anew = [this](const std::string& why) { anew_.push_back(why); };
    world.start_bus = [this](uv_loop_t*, Bus::Options,
                             Bus::Handlers handlers) -> Result<std::unique_ptr<Bus>> {
      handlers_ = std::move(handlers);
      auto bus = std::make_unique<FakeBus>();
      bus_ = bus.get();
      bus_->answers_at_once_ = true;
      return bus;
    };
    auto started = Aggregator::start(loop_.get(), config_, std::move(world));
    if (!started) return std::unexpected(started.error());
    aggregator_ = std::move(*started);
    return {};
  }
  void start() {
    auto started = try_start();
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  void catch_up() {
    handlers_.on_connection(true, "connected");
    handlers_.on_audit_end();
    handlers_.on_caught_up();
  }
  Answer get(const std::string& target) {
    return wait_for(loop_, call_async(aggregator_->api_port(), "GET", target));
  }
  Json status() { return Json::parse(get("/api/v1/status").body); }
  static core::Input clock_at(uint64_t seq, int64_t stored_us) {
    Control clock;
    clock.kind = ControlKind::clock;
    return {.seq = seq, .stored_us = stored_us, .body = clock};
  }
  static core::Input event(uint64_t seq, const std::string& host, const std::string& version,
                           const std::string& previous) {
    Event started;
    started.from = {.host = host, .boot_id = "boot", .agent_start_us = 1, .sequence = seq};
    started.service = "api";
    started.kind = EventKind::version_started;
    started.version = version;
    started.previous = previous;
    started.generation = host + version;
    return {.seq = seq, .stored_us = kNowUs + static_cast<int64_t>(seq), .body = started};
  }
  /// Two hosts on v1, then v2 arrives on one of them.
  std::vector<core::Input> a_deploy() {
    std::vector<core::Input> inputs;
    for (const char* host : {"web-01", "web-02"}) {
      Sample sample;
      sample.from = {.host = host, .boot_id = "boot", .agent_start_us = 1, .sequence = 1};
      sample.service = "api";
      sample.version = "v1";
      sample.generation = std::string(host) + "v1";
      sample.process_age_us = 3'600'000'000;
      inputs.push_back({.seq = inputs.size() + 1, .stored_us = kNowUs, .body = sample});
    }
    inputs.push_back(event(3, "web-01", "v2", "v1"));
    return inputs;
  }

  TemporaryFolder folder_;
  UvLoop loop_;
  AggregatorConfig config_;
  int64_t wall_us_ = kNowUs;
  Bus::Handlers handlers_;
  FakeBus* bus_ = nullptr;
  std::vector<std::string> anew_;
  std::unique_ptr<Aggregator> aggregator_;
};

TEST_F(AggregatorTest, ReadsTheAuditThenTheStreamThenActs) {
  start();
  EXPECT_THAT(bus_->read_after_, IsEmpty());
  handlers_.on_connection(true, "connected");
  handlers_.on_audit_end();
  EXPECT_EQ(bus_->read_after_, std::vector<uint64_t>{0});
  for (const auto& input : a_deploy()) handlers_.on_input(input);
  run_until(loop_, [turns = 0]() mutable { return ++turns > 30; });
  EXPECT_THAT(bus_->log(), IsEmpty()) << "neither clock nor effect before the stream has been read";
  EXPECT_EQ(get("/readyz").status, 503);
  handlers_.on_caught_up();
  EXPECT_THAT(bus_->log(), Contains(HasSubstr("/opened/")));
  EXPECT_THAT(bus_->log(), Contains("attention api 1000"));
  EXPECT_THAT(bus_->log(), Contains("control policy"));
  EXPECT_EQ(get("/readyz").status, 200);
  const Json deploys = Json::parse(get("/api/v1/deploys").body);
  EXPECT_EQ(deploys["deploys"][0]["version"], "v2");
}

TEST_F(AggregatorTest, WhatTheAuditHoldsIsNotDecidedAgain) {
  start();
  handlers_.on_connection(true, "connected");
  handlers_.on_audit_end();
  for (const auto& input : a_deploy()) handlers_.on_input(input);
  handlers_.on_caught_up();
  std::vector<Decision> audit;
  const Json deploy = Json::parse(get("/api/v1/deploys").body)["deploys"][0];
  for (const std::string& what : bus_->log()) {
    if (!what.starts_with("decision ")) continue;
    Decision decision;
    decision.effect_id = what.substr(9);
    decision.kind =
        what.find("/opened/") != std::string::npos ? DecisionKind::opened : DecisionKind::settled;
    decision.deploy = decision.kind == DecisionKind::opened ? deploy["id"].get<std::string>() : "";
    decision.service = "api";
    decision.version = decision.kind == DecisionKind::opened ? "v2" : "v1";
    decision.at_us = kNowUs + 3;
    audit.push_back(decision);
  }
  ASSERT_FALSE(audit.empty());
  start();
  for (const Decision& decision : audit) handlers_.on_audit(decision);
  handlers_.on_audit_end();
  for (const auto& input : a_deploy()) handlers_.on_input(input);
  handlers_.on_connection(true, "connected");
  handlers_.on_caught_up();
  EXPECT_THAT(bus_->log(), Not(Contains(HasSubstr("decision "))));
  EXPECT_EQ(Json::parse(get("/api/v1/deploys").body)["deploys"][0]["id"], deploy["id"]);
}

TEST_F(AggregatorTest, TheClockTicksWhileTheBusIsThereAndOnlyThen) {
  start();
  catch_up();
  ASSERT_TRUE(
      run_until(loop_, [&] { return std::ranges::count(bus_->log(), "control clock") >= 3; }));
  bus_->connected_ = false;
  const size_t sent = bus_->sent_.size();
  run_until(loop_, [turns = 0]() mutable { return ++turns > 50; });
  EXPECT_EQ(bus_->sent_.size(), sent);
  bus_->connected_ = true;
  ASSERT_TRUE(run_until(loop_, [&] { return bus_->sent_.size() > sent; }));
}

TEST_F(AggregatorTest, ATickThatIsNotAnsweredIsNotFollowedByAnother) {
  start();
  bus_->answers_at_once_ = false;
  catch_up();
  run_until(loop_, [turns = 0]() mutable { return ++turns > 50; });
  EXPECT_EQ(std::ranges::count(bus_->log(), "control clock"), 1);
  EXPECT_EQ(std::ranges::count(bus_->log(), "control policy"), 1);
}

TEST_F(AggregatorTest, APolicyThatWasNotStoredIsPublishedAgain) {
  start();
  bus_->answer_ = fail("no responders");
  catch_up();
  ASSERT_TRUE(
      run_until(loop_, [&] { return std::ranges::count(bus_->log(), "control policy") >= 2; }));
  bus_->answer_ = {};
  const auto before = std::ranges::count(bus_->log(), "control policy");
  run_until(loop_, [turns = 0]() mutable { return ++turns > 50; });
  EXPECT_LE(std::ranges::count(bus_->log(), "control policy"), before + 1);
  const auto& sent = *std::ranges::find(bus_->sent_, "control policy", &FakeBus::Sent::what);
  EXPECT_EQ(policy_from_json(sent.control.policy_json).value(), config_.policies);
  EXPECT_GT(status()["counters"]["clock_failures"], 0);
}

TEST_F(AggregatorTest, WhatCannotBeReadIsCountedAndShown) {
  start();
  catch_up();
  handlers_.on_unreadable(
      {.seq = 7, .subject = "serin.sample.api.web=2D01", .error = "torn\n\x1b[31m"});
  const Json shown = status();
  EXPECT_EQ(shown["counters"]["unreadable"], 1);
  EXPECT_THAT(shown["warnings"].dump(), HasSubstr("torn"));
  EXPECT_THAT(shown["warnings"].dump(), Not(HasSubstr("u001b")));
}

TEST_F(AggregatorTest, SaysWhatIsWrong) {
  start();
  EXPECT_THAT(status()["warnings"].dump(), HasSubstr("still being read"));
  catch_up();
  EXPECT_THAT(status()["warnings"], IsEmpty());
  handlers_.on_connection(true, "cannot store serin.audit.api: forbidden");
  EXPECT_THAT(status()["warnings"].dump(), HasSubstr("forbidden"));
  wall_us_ += 121'000'000;
  EXPECT_THAT(status()["warnings"], IsEmpty()) << "a complaint is shown for two minutes";
  bus_->connected_ = false;
  handlers_.on_connection(false, "connection refused");
  EXPECT_THAT(status()["warnings"].dump(), HasSubstr("connection refused"));
  EXPECT_EQ(get("/readyz").status, 503);
  handlers_.on_store_lost("SERIN_INPUT was emptied");
  EXPECT_THAT(status()["warnings"].dump(), HasSubstr("emptied"));
}

TEST_F(AggregatorTest, OvertakenByAnotherItStartsAnewOnce) {
  start();
  catch_up();
  bus_->answer_ =
      fail("another aggregator has written there since (10071): this one must start anew");
  for (const auto& input : a_deploy()) handlers_.on_input(input);
  ASSERT_EQ(anew_.size(), 1u);
  EXPECT_THAT(anew_[0], HasSubstr("10071"));
}

TEST_F(AggregatorTest, StopsWhenAsked) {
  start();
  catch_up();
  bool done = false;
  aggregator_->stop([&] { done = true; });
  EXPECT_TRUE(done);
  EXPECT_TRUE(bus_->closed_);
}

TEST_F(AggregatorTest, AStartThatCannotWorkSaysWhy) {
  config_.signing_key = folder_.path() / "absent.key";
  EXPECT_THAT(try_start().error().message, HasSubstr("serinctl keys init"));
  config_.signing_key = folder_.path() / "signing.key";
  config_.tokens = folder_.path() / "absent.toml";
  EXPECT_THAT(try_start().error().message, HasSubstr("absent.toml"));
  config_.tokens.reset();
  config_.state_dir = folder_.path() / "signing.key" / "state";  // below a file no folder can be made
  const auto started = try_start();
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message, HasSubstr((folder_.path() / "signing.key").string()));
}

}  // namespace
}  // namespace serin::aggregator
