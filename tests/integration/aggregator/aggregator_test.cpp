#include <curl/curl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "aggregator/api/listen.h"
#include "common/bus/subjects.h"
#include "common/signing.h"
#include "schema/wire.h"
#include "tests/integration/aggregator/program.h"
#include "tests/integration/bus/stream_client.h"
#include "tests/integration/nats_server.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin {
namespace {

using Json = nlohmann::json;
using test::NatsServer;
using test::Program;
using test::StreamClient;

uint16_t free_port() {
  return aggregator::listen_on({.host = "127.0.0.1", .port = 0})->port;
}

/// serin-aggregator as it is installed, on a real nats-server; the test speaks for the hosts.
class AggregatorProgramTest : public ::testing::Test {
 protected:
  AggregatorProgramTest() {
    EXPECT_TRUE(SigningKey::generate()->save(folder_.path() / "signing.key").has_value());
    const std::string token = hex(sha256(as_bytes("secret")));
    folder_.write("tokens.toml",
                  "[[token]]\nname = \"anna\"\nrole = \"operator\"\nsha256 = \"" + token + "\"\n");
  }
  void configure() {
    const std::string at = folder_.path().string();
    folder_.write(
        "aggregator.toml",
        "[nats]\nurl = \"" + nats_.url() + "\"\n[nats.streams]\ninput_bytes = 67108864\n" +
            "commands_bytes = 8388608\naudit_bytes = 16777216\n[api]\nlisten = \"127.0.0.1:" +
            std::to_string(port_) + "\"\ntokens = \"" + at + "/tokens.toml\"\n[state]\ndir = \"" +
            at + "\"\n[signing]\nkey = \"" + at + "/signing.key\"\n");
  }
  void start() {
    configure();
    program_.emplace(
        "serin-aggregator",
        std::vector<std::string>{"--config", (folder_.path() / "aggregator.toml").string()});
  }

  struct Got {
    long status = 0;
    std::string body;
  };
  Got call(const std::string& method, const std::string& target, const std::string& body = "",
           const std::string& key = "") {
    const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl_easy_init(), curl_easy_cleanup);
    curl_slist* list = curl_slist_append(nullptr, "Authorization: Bearer secret");
    if (!key.empty()) list = curl_slist_append(list, ("Idempotency-Key: " + key).c_str());
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> owned(list, curl_slist_free_all);
    const std::string url = "http://127.0.0.1:" + std::to_string(port_) + target;
    Got got;
    const auto take = +[](char* data, size_t size, size_t count, void* into) {
      static_cast<std::string*>(into)->append(data, size * count);
      return size * count;
    };
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
    if (method == "POST") curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, 10'000L);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &got.body);
    curl_easy_perform(easy.get());
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &got.status);
    return got;
  }
  static bool until(const std::function<bool()>& holds, int seconds = 30) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(
          std::chrono::milliseconds(20));  // between two looks at another process
    }
    return true;
  }
  bool ready() {
    return until([&] { return call("GET", "/readyz").status == 200; });
  }

  Identity from(const std::string& host) { return {host, "boot", 7, ++sequences_[host]}; }
  void publish(StreamClient& client, Event event) {
    client.publish(bus::event_subject(event.service, event.from.host), wire::encode(event));
  }
  /// What an agent says when it begins to watch a service that runs.
  void host_on_v1(StreamClient& client, const std::string& host) {
    Event started;
    started.from = from(host);
    started.service = "api";
    started.version = "v1";
    started.generation = "old";
    publish(client, started);
    Sample sample;
    sample.from = from(host);
    sample.service = "api";
    sample.version = "v1";
    sample.generation = "old";
    sample.process_age_us = 3'600'000'000;
    client.publish(bus::sample_subject("api", host), wire::encode(sample));
  }
  /// Six hosts on v1; v2 starts on web-01 and dies there three times.
  void a_release_that_dies(StreamClient& client) {
    for (int i = 1; i <= 6; ++i) host_on_v1(client, "web-0" + std::to_string(i));
    for (int i = 0; i < 3; ++i) {
      Event started;
      started.from = from("web-01");
      started.service = "api";
      started.kind = i == 0 ? EventKind::version_started : EventKind::process_started;
      started.version = "v2";
      started.previous = "v1";
      started.generation = "new" + std::to_string(i);
      publish(client, started);
      Event died = started;
      died.from = from("web-01");
      died.kind = EventKind::process_died;
      died.signal = 11;
      publish(client, died);
    }
  }
  static std::vector<Decision> audit(StreamClient& client) {
    std::vector<Decision> decisions;
    for (const auto& stored : client.read(bus::kAuditStream)) {
      decisions.push_back(wire::decode_decision(stored.payload).value());
    }
    return decisions;
  }
  static size_t count(StreamClient& client, DecisionKind kind) {
    const auto decisions = audit(client);
    return static_cast<size_t>(std::ranges::count(decisions, kind, &Decision::kind));
  }
  static bool commanded(StreamClient& client) { return !client.read(bus::kCommandStream).empty(); }

  NatsServer nats_;
  TemporaryFolder folder_;
  uint16_t port_ = free_port();
  std::map<std::string, uint64_t> sequences_;
  std::optional<Program> program_;
};

TEST_F(AggregatorProgramTest, ARollbackIsDecidedOnceHoweverOftenTheAggregatorIsKilled) {
  start();
  ASSERT_TRUE(ready());
  StreamClient client(nats_.url());
  program_.reset();  // it will find all of it in the stream
  a_release_that_dies(client);
  start();
  ASSERT_TRUE(until([&] { return count(client, DecisionKind::rollback) == 1; }));
  program_.reset();  // killed at about the moment of the command
  start();
  ASSERT_TRUE(until([&] { return commanded(client); }));
  for (int i = 0; i < 3; ++i) {
    program_.reset();
    start();
    ASSERT_TRUE(ready());
  }
  const auto decisions = audit(client);
  std::set<std::string> ids;
  for (const Decision& decision : decisions)
    EXPECT_TRUE(ids.insert(decision.effect_id).second) << decision.effect_id;
  EXPECT_EQ(count(client, DecisionKind::rollback), 1u);

  const auto commands = client.read(bus::kCommandStream);
  ASSERT_EQ(commands.size(), 1u) << "one host, one command";
  const auto envelope = wire::decode_signed(commands[0].payload).value();
  const auto command = wire::decode_command(envelope.payload).value();
  EXPECT_EQ(command.host, "web-01");
  EXPECT_EQ(command.condemned, "v2");
  EXPECT_EQ(command.target, "v1");
  const KeyRing keys = KeyRing::load(folder_.path());
  EXPECT_TRUE(keys.verify_command(envelope.key_id, envelope.payload, envelope.signature));

  const Json deploys = Json::parse(call("GET", "/api/v1/deploys").body)["deploys"];
  ASSERT_EQ(deploys.size(), 1u);
  EXPECT_EQ(deploys[0]["verdict"], "rollback");
  EXPECT_EQ(deploys[0]["reason"]["metric"], "crash_loop");
}

TEST_F(AggregatorProgramTest, AnActIsInTheStreamWhenItIsAnswered) {
  start();
  ASSERT_TRUE(ready());
  StreamClient client(nats_.url());
  host_on_v1(client, "web-01");
  Event started;
  started.from = from("web-01");
  started.service = "api";
  started.version = "v2";
  started.previous = "v1";
  started.generation = "new";
  publish(client, started);
  std::string id;
  ASSERT_TRUE(until([&] {
    const Json deploys = Json::parse(call("GET", "/api/v1/deploys").body, nullptr, false);
    if (!deploys.is_object() || deploys["deploys"].empty()) return false;
    id = deploys["deploys"][0]["id"];
    return true;
  }));
  const Got got =
      call("POST", "/api/v1/deploys/" + id + "/hold", R"({"reason":"wait for me"})", "key-1");
  ASSERT_EQ(got.status, 202) << got.body;
  const auto is_the_act = [&](const StreamClient::Stored& stored) {
    if (!stored.subject.starts_with("serin.control.api")) return false;
    const auto control = wire::decode_control(stored.payload);
    return control && control->kind == ControlKind::act && control->act == Act::hold &&
           control->actor == "anna" && control->id == Json::parse(got.body)["act"]["id"];
  };
  EXPECT_EQ(std::ranges::count_if(client.read(bus::kInputStream), is_the_act), 1);
  EXPECT_EQ(
      call("POST", "/api/v1/deploys/" + id + "/hold", R"({"reason":"wait for me"})", "key-1").body,
      got.body);
  EXPECT_EQ(std::ranges::count_if(client.read(bus::kInputStream), is_the_act), 1);
  ASSERT_TRUE(until([&] { return count(client, DecisionKind::held) == 1; }));
}

TEST_F(AggregatorProgramTest, NatsMayBeAwayAtTheStartAndLater) {
  nats_.stop();
  start();
  ASSERT_TRUE(until([&] { return call("GET", "/healthz").status == 200; }));
  EXPECT_EQ(call("GET", "/readyz").status, 503);
  nats_.start();
  ASSERT_TRUE(ready());
  nats_.kill();
  ASSERT_TRUE(until([&] { return call("GET", "/readyz").status == 503; }));
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_EQ(call("GET", "/api/v1/gates/api/v2").status, 503);
  nats_.start();
  ASSERT_TRUE(ready());
}

TEST_F(AggregatorProgramTest, ATornMessageIsCountedAndHarmsNobody) {
  start();
  ASSERT_TRUE(ready());
  StreamClient client(nats_.url());
  const Bytes noise(500, 0xa5);
  client.publish("serin.sample.api.web-01", noise);
  client.publish("serin.event.api.web-01", noise);
  client.publish("serin.control.api", noise);
  client.publish("serin.sample.api", noise);
  ASSERT_TRUE(until([&] {
    const Json status = Json::parse(call("GET", "/api/v1/status").body, nullptr, false);
    return status.is_object() && status["counters"]["unreadable"] == 3 + 1;
  })) << call("GET", "/api/v1/status").body;
  EXPECT_EQ(call("GET", "/readyz").status, 200);
}

TEST_F(AggregatorProgramTest, SigtermEndsItCleanly) {
  start();
  ASSERT_TRUE(ready());
  EXPECT_EQ(program_->terminate(), 0);
  program_.reset();
  start();
  ASSERT_TRUE(ready());
}

TEST_F(AggregatorProgramTest, AConfigurationThatIsWrongIsRefusedInWords) {
  folder_.write("bad.toml", "[nats]\nurl = \"nats://127.0.0.1:1\"\nurls = 1\n");
  Program refused("serin-aggregator",
                  {"--check", "--config", (folder_.path() / "bad.toml").string()});
  EXPECT_EQ(refused.wait_for_end(), 1);
}

}  // namespace
}  // namespace serin
